//! Carries requests to the provider and answers from it: actix-web, one worker, loopback addresses only.

use std::future::Future as _;
use std::io;
use std::net::TcpListener;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::Server;
use actix_web::http::StatusCode;
use actix_web::rt::time::{Sleep, sleep};
use actix_web::web::{self, Bytes, Data, PayloadConfig};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};

use crate::provider::Provider;
use crate::wire::{Answer, Received};

/// No request to a provider is longer.
const BODY: usize = 64 * 1024;

impl Provider {
    /// A server on this listener. It has people without passwords, so it serves this machine only.
    pub fn serve(self: Arc<Self>, listener: TcpListener) -> io::Result<Server> {
        if !listener.local_addr()?.ip().is_loopback() {
            let text =
                "a provider whose people have no passwords listens on loopback addresses only";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let provider = Data::from(self);
        let server = HttpServer::new(move || {
            App::new()
                .app_data(provider.clone())
                .app_data(PayloadConfig::new(BODY))
                .default_service(web::to(carry))
        })
        .workers(1)
        .disable_signals()
        .listen(listener)?;
        Ok(server.run())
    }
}

async fn carry(provider: Data<Provider>, request: HttpRequest, body: Bytes) -> HttpResponse {
    let headers = request.headers().iter().map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        (name.as_str().to_owned(), value)
    });
    let received = Received {
        method: request.method().as_str().to_owned(),
        path: request.uri().path().to_owned(),
        query: request.uri().query().unwrap_or("").to_owned(),
        headers: headers.collect(),
        body: body.to_vec(),
    };
    let answer = provider.answer(&received).await;
    if !answer.wait.is_zero() {
        sleep(answer.wait).await;
    }
    respond(answer)
}

fn respond(answer: Answer) -> HttpResponse {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = HttpResponse::build(status);
    for (name, value) in &answer.headers {
        response.append_header((name.as_str(), value.as_str()));
    }
    if answer.later.is_empty() {
        response.body(answer.body)
    } else {
        response.body(Paced::new(answer))
    }
}

/// A body that comes in pieces, each after its pause.
struct Paced {
    next: Option<Vec<u8>>,
    pause: Option<Pin<Box<Sleep>>>,
    later: std::vec::IntoIter<(Duration, Vec<u8>)>,
}

impl Paced {
    fn new(answer: Answer) -> Self {
        Self {
            next: Some(answer.body),
            pause: None,
            later: answer.later.into_iter(),
        }
    }
}

impl MessageBody for Paced {
    type Error = std::convert::Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        loop {
            if let Some(pause) = &mut self.pause {
                match pause.as_mut().poll(context) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(()) => self.pause = None,
                }
            }
            // An empty piece would end the body.
            if let Some(piece) = self.next.take().filter(|piece| !piece.is_empty()) {
                return Poll::Ready(Some(Ok(Bytes::from(piece))));
            }
            let Some((pause, piece)) = self.later.next() else {
                return Poll::Ready(None);
            };
            self.pause = Some(Box::pin(sleep(pause)));
            self.next = Some(piece);
        }
    }
}
