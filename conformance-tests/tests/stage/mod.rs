//! The pages in a real browser: Chromium, headless, by WebDriver. A violation of the content security policy fails the test, and every page
//! that was seen is kept as a picture in `target/screenshots/`.

use std::future::Future;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use conformance_tests::{AuthorizationRequest, Backend, Setup, World, repository};
use serde_json::json;
use tempfile::TempDir;
use thirtyfour::LoggingPrefsLogLevel;
use thirtyfour::prelude::*;

/// A native app that listens on the loopback address: it keeps what browsers bring.
pub(crate) struct App {
    address: SocketAddr,
    brought: Arc<Mutex<Vec<String>>>,
}

impl App {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let brought = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&brought);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let _ = stream.set_read_timeout(Some(Duration::from_millis(300)));
                let mut request = Vec::new();
                let mut buffer = [0; 4_096];
                while let Ok(read) = stream.read(&mut buffer) {
                    request.extend_from_slice(&buffer[..read]);
                    if read < buffer.len() {
                        break;
                    }
                }
                kept.lock()
                    .expect("no panic")
                    .push(String::from_utf8_lossy(&request).into_owned());
                let page = "<!doctype html><title>App</title><h1>Back at the app</h1>";
                let head = format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                    page.len()
                );
                let _ = stream.write_all(format!("{head}{page}").as_bytes());
            }
        });
        Self { address, brought }
    }

    pub(crate) fn redirect_uri(&self) -> String {
        format!("http://{}/cb", self.address)
    }

    /// The requests for the redirect URI, as they came.
    pub(crate) fn brought(&self) -> Vec<String> {
        let all = self.brought.lock().expect("no panic").clone();
        all.into_iter()
            .filter(|request| request.contains(" /cb"))
            .collect()
    }
}

/// ChromeDriver, on a port of its own.
pub(crate) struct Chrome {
    driver: Child,
    address: String,
    profile: TempDir,
}

impl Chrome {
    pub(crate) fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("a port")
            .port();
        let driver = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver is installed (Debian: chromium-driver)");
        let started = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(
                started.elapsed() < Duration::from_secs(20),
                "chromedriver does not listen"
            );
            thread::sleep(Duration::from_millis(20));
        }
        Self {
            driver,
            address: format!("http://127.0.0.1:{port}"),
            profile: tempfile::tempdir().expect("a folder"),
        }
    }

    /// A phone by day, or a desk at night.
    pub(crate) async fn open(&self, night: bool) -> WebDriver {
        self.open_with(night, &[]).await
    }

    /// A phone whose browser runs no scripts of pages.
    pub(crate) async fn open_without_scripts(&self) -> WebDriver {
        self.open_with(false, &["--blink-settings=scriptEnabled=false"])
            .await
    }

    async fn open_with(&self, night: bool, arguments: &[&str]) -> WebDriver {
        let mut wanted = DesiredCapabilities::chrome();
        for argument in [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--no-proxy-server",
            // Nobody outside of this machine is asked, and nothing waits for an answer from there.
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
            "--disable-dev-shm-usage",
            "--window-size=1280,900",
        ] {
            wanted.add_arg(argument).expect("an argument");
        }
        for argument in arguments {
            wanted.add_arg(argument).expect("an argument");
        }
        wanted
            .add_arg(&format!(
                "--user-data-dir={}",
                self.profile.path().display()
            ))
            .expect("an argument");
        if night {
            wanted
                .add_arg("--blink-settings=preferredColorScheme=0")
                .expect("an argument");
        } else {
            let phone = json!({"deviceMetrics": {"width": 390, "height": 844, "pixelRatio": 2.0, "touch": false, "mobile": false}});
            wanted
                .add_experimental_option("mobileEmulation", phone)
                .expect("an option");
        }
        wanted
            .set_browser_log_level(LoggingPrefsLogLevel::All)
            .expect("a log level");
        WebDriver::new(&self.address, wanted)
            .await
            .expect("Chromium starts")
    }
}

impl Drop for Chrome {
    fn drop(&mut self) {
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// One test's stage: the server, the app and the browser.
pub(crate) struct Stage {
    pub(crate) world: World,
    pub(crate) app: App,
    pub(crate) driver: WebDriver,
    pub(crate) name: &'static str,
}

impl Stage {
    pub(crate) fn request(&self) -> AuthorizationRequest {
        self.world
            .request(&self.world.app)
            .set("redirect_uri", &self.app.redirect_uri())
    }

    pub(crate) async fn go(&self, target: &str) {
        let url = if target.starts_with("http") {
            target.to_owned()
        } else {
            format!("{}{target}", self.world.issuer())
        };
        self.driver.goto(url).await.expect("a page");
    }

    pub(crate) async fn heading(&self) -> String {
        self.driver
            .query(By::Css("h1"))
            .first()
            .await
            .expect("a heading")
            .text()
            .await
            .expect("its text")
    }

    pub(crate) async fn expect_heading(&self, wanted: &str) {
        let found = self.heading().await;
        assert_eq!(
            found,
            wanted,
            "at {}",
            self.driver.current_url().await.expect("a URL")
        );
    }

    /// Clicks, and waits for the page that follows.
    pub(crate) async fn click(&self, id: &str) {
        self.click_on(By::Id(id)).await;
    }

    /// As [`Stage::click`], on a page that is not ours.
    pub(crate) async fn click_on(&self, element: By) {
        let mark = "document.documentElement.dataset.before = 'yes'";
        self.driver
            .execute(mark, Vec::new())
            .await
            .expect("a script");
        self.press_on(element.clone()).await;
        let arrived =
            "return !document.documentElement.dataset.before && document.readyState === 'complete'";
        let started = Instant::now();
        // While the page changes there may be none to ask.
        while !self
            .driver
            .execute(arrived, Vec::new())
            .await
            .is_ok_and(|answer| answer.json() == true)
        {
            assert!(
                started.elapsed() < Duration::from_secs(10),
                "nothing follows the click on {element:?}"
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Clicks where no page follows.
    pub(crate) async fn press(&self, id: &str) {
        self.press_on(By::Id(id)).await;
    }

    async fn press_on(&self, element: By) {
        let found = self.driver.query(element.clone()).first().await;
        let found = found.unwrap_or_else(|error| panic!("{element:?}: {error}"));
        found.click().await.expect("a click");
    }

    pub(crate) async fn has(&self, id: &str) -> bool {
        !self
            .driver
            .find_all(By::Id(id))
            .await
            .expect("a search")
            .is_empty()
    }

    pub(crate) async fn fill(&self, id: &str, text: &str) {
        let field = self
            .driver
            .query(By::Id(id))
            .first()
            .await
            .unwrap_or_else(|error| panic!("{id}: {error}"));
        field.clear().await.expect("an empty field");
        field.send_keys(text).await.expect("typing");
    }

    pub(crate) async fn sign_in(&self, password: &str) {
        self.fill("username", "ada").await;
        self.fill("password", password).await;
        self.click("login-submit").await;
    }

    /// Signs in on the pages of `oidc-provider`: says who one is, and agrees where it asks.
    pub(crate) async fn sign_in_at_oidc_provider(&self, subject: &str) {
        for (field, text) in [("login", subject), ("password", "any will do")] {
            let field = self.driver.query(By::Name(field)).first().await;
            let field = field.expect("the provider's page asks who this is");
            field.send_keys(text).await.expect("typing");
        }
        self.click_on(By::Css("button.login-submit")).await;
        // It asks for consent once for each person.
        let consent = By::Css("input[name=prompt][value=consent]");
        if !self
            .driver
            .find_all(consent)
            .await
            .expect("a search")
            .is_empty()
        {
            self.click_on(By::Css("button.login-submit")).await;
        }
    }

    /// Keeps a picture of the page, and looks at what every page must have.
    pub(crate) async fn picture(&self, what: &str) {
        let folder = repository().join("target/screenshots");
        std::fs::create_dir_all(&folder).expect("a folder");
        self.driver
            .screenshot(&folder.join(format!("{}-{what}.png", self.name)))
            .await
            .expect("a picture");
        let unlabelled = "return [...document.querySelectorAll('input:not([type=hidden])')].filter(i => !i.labels || !i.labels.length).length";
        let count = self
            .driver
            .execute(unlabelled, Vec::new())
            .await
            .expect("a script")
            .json()
            .clone();
        assert_eq!(count, 0, "{what}: inputs without a label");
        let wide =
            "return document.documentElement.scrollWidth > document.documentElement.clientWidth";
        let wide = self
            .driver
            .execute(wide, Vec::new())
            .await
            .expect("a script")
            .json()
            .clone();
        assert_eq!(wide, false, "{what}: the page scrolls sideways on a phone");
        let language = "return document.documentElement.lang";
        assert_eq!(
            self.driver
                .execute(language, Vec::new())
                .await
                .expect("a script")
                .json(),
            "en",
            "{what}"
        );
    }

    /// Waits until the browser came back to the app for the `nth` time; returns what it brought.
    pub(crate) async fn wait_for_app(&self, nth: usize) -> String {
        let started = Instant::now();
        loop {
            if let Some(brought) = self.app.brought().get(nth - 1) {
                return brought.clone();
            }
            if started.elapsed() > Duration::from_secs(10) {
                self.picture("never-came-back").await;
                panic!(
                    "the browser never came back to the app: {}",
                    self.driver.current_url().await.expect("a URL")
                );
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Sets the stage, plays, and looks into the browser's log at the end.
pub(crate) fn play<F: Future<Output = ()> + 'static>(
    name: &'static str,
    setup: Setup,
    act: impl FnOnce(Rc<Stage>) -> F,
) {
    let chrome = Chrome::start();
    let world = World::with(setup);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let played = tokio::task::LocalSet::new().block_on(&runtime, async {
        let driver = chrome.open(name.starts_with("night")).await;
        let stage = Rc::new(Stage {
            world,
            app: App::start(),
            driver: driver.clone(),
            name,
        });
        // In a task of its own, so that the browser is ended in order after a failure, too.
        let played = tokio::task::spawn_local(act(stage)).await;
        let log = driver.browser_log().await.expect("the browser's log");
        let complaints: Vec<_> = log
            .into_iter()
            .map(|entry| entry.message)
            .filter(|message| {
                ["Content Security Policy", "Refused to", "violates"]
                    .iter()
                    .any(|word| message.contains(word))
            })
            .collect();
        driver.quit().await.expect("the browser ends");
        assert!(complaints.is_empty(), "{complaints:#?}");
        played
    });
    if let Err(failed) = played {
        std::panic::resume_unwind(failed.into_panic());
    }
}

/// Nobody takes the mail, but the pages are those of a server that sends some.
pub(crate) fn with_mail() -> Setup {
    let from = "Curfew <no-reply@example.test>";
    usual()
        .env("CURFEW_MAIL_SMTP_URL", "smtp://127.0.0.1:9")
        .env("CURFEW_MAIL_FROM", from)
}

pub(crate) fn usual() -> Setup {
    Setup::new(Backend::Sqlite)
}
