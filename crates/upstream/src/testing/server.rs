//! A loopback server that answers by a script.

use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use actix_web::http::StatusCode;
use actix_web::web::Bytes;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use serde_json::Value;

#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// Method and path with query.
    pub(crate) line: String,
    pub(crate) authorization: Option<String>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) kind: &'static str,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::text(status, body.to_string())
    }

    /// JSON as it is written.
    pub(crate) const fn text(status: u16, body: String) -> Self {
        let kind = "application/json; charset=utf-8";
        Self { status, kind, body }
    }
}

pub(crate) struct Server {
    /// Without a slash at the end.
    pub(crate) url: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// The script is told where it is.
    pub(crate) fn start(script: impl Fn(&str, &Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (own, note, script) = (url.clone(), requests.clone(), Arc::new(script));
        let server = HttpServer::new(move || {
            let (own, note, script) = (own.clone(), note.clone(), script.clone());
            App::new().default_service(web::to(move |request: HttpRequest, body: Bytes| {
                let request = taken(&request, &body);
                let reply = script(&own, &request);
                note.lock().unwrap().push(request);
                async move {
                    HttpResponse::build(StatusCode::from_u16(reply.status).unwrap())
                        .content_type(reply.kind)
                        .body(reply.body)
                }
            }))
        })
        .workers(1)
        .disable_signals()
        .listen(listener)
        .unwrap()
        .run();
        actix_web::rt::spawn(server);
        Self { url, requests }
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// How often a path was asked for.
    pub(crate) fn count(&self, line: &str) -> usize {
        let requests = self.requests();
        requests
            .iter()
            .filter(|request| request.line == line)
            .count()
    }
}

fn taken(request: &HttpRequest, body: &[u8]) -> Request {
    let headers: Vec<(String, String)> = request
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    let authorization = headers.iter().find(|(name, _)| name == "authorization");
    Request {
        line: format!("{} {}", request.method(), request.uri()),
        authorization: authorization.map(|(_, value)| value.clone()),
        body: String::from_utf8(body.to_vec()).unwrap(),
        headers,
    }
}
