//! Starting the real binary on a database of its own, and ending it again.

use std::fs::{self, File};
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;
use tempfile::TempDir;

use crate::pkce::random_below;
use crate::wire::Http;

const LIBFAKETIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";

/// Budgets that tests would use up by their own haste.
const LIMITS: &str = "CURFEW_RATE_LIMITS_";
const BUDGETS: [&str; 18] = [
    "AUTHORIZATIONS",
    "CLIENT_FAILURES",
    "PASSWORD_FAILURES_ACCOUNT",
    "PASSWORD_FAILURES_ADDRESS",
    "PASSWORD_LINKS",
    "PASSWORD_LINKS_ADDRESS",
    "BOOTSTRAP_FAILURES",
    "REVOCATIONS",
    "CONSENTS",
    "DEVICE_AUTHORIZATIONS",
    "DEVICE_CODES_OUTSTANDING",
    "DEVICE_GUESSES",
    "DEVICE_GUESSES_ACCOUNT",
    "DEVICE_GUESSES_ADDRESS",
    "BEARER_FAILURES",
    "API_CALLS",
    "UPSTREAM_STARTS",
    "UPSTREAM_LOGOUT_FAILURES",
];

/// Which database a server stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    Sqlite,
    Postgres,
}

/// The `curfew` under test.
pub fn binary() -> PathBuf {
    std::env::var_os("CURFEW_BIN").map_or_else(beside_the_test, PathBuf::from)
}

/// What to start.
#[derive(Clone, Debug)]
pub struct Setup {
    backend: Backend,
    nodes: usize,
    environment: Vec<(String, String)>,
    time_travel: bool,
    binary: PathBuf,
    faulty_server: Option<(PathBuf, String)>,
    postgres_url: Option<String>,
}

impl Setup {
    pub fn new(backend: Backend) -> Self {
        let binary = binary();
        // Limits that a test would meet by its own haste; the tests of the limits set their own.
        let mut environment = vec![
            ("CURFEW_LOG_LEVEL".to_owned(), "info".to_owned()),
            ("CURFEW_LISTEN_WORKERS".to_owned(), "2".to_owned()),
        ];
        environment.extend(BUDGETS.map(|name| (format!("{LIMITS}{name}"), "1000000".to_owned())));
        Self {
            backend,
            nodes: 1,
            environment,
            time_travel: false,
            binary,
            faulty_server: None,
            postgres_url: None,
        }
    }

    /// How many nodes on one database; more than one only on PostgreSQL.
    #[must_use]
    pub fn nodes(mut self, nodes: usize) -> Self {
        self.nodes = nodes;
        self
    }

    /// Sets one environment variable of the server and of its command line.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.retain(|(own, _)| own != name);
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Leaves the rate limits as they are by default.
    #[must_use]
    pub fn default_limits(mut self) -> Self {
        self.environment.retain(|(own, _)| !own.starts_with(LIMITS));
        self
    }

    /// Runs the server under a clock that [`Curfew::advance`] moves.
    #[must_use]
    pub fn time_travel(mut self) -> Self {
        self.time_travel = true;
        self
    }

    /// Serves by a binary that breaks its promises, with that fault. The command line stays the honest one: it ends before a fault
    /// that works in the background is over.
    #[must_use]
    pub fn faulty_server(mut self, binary: impl Into<PathBuf>, fault: &str) -> Self {
        self.faulty_server = Some((binary.into(), fault.to_owned()));
        self
    }

    /// Uses another PostgreSQL cluster than the shared one, for tests that crash it.
    #[must_use]
    pub fn postgres(mut self, url: &str) -> Self {
        self.postgres_url = Some(url.to_owned());
        self
    }

    /// `init` and `migrate`, without starting a node.
    pub fn prepare(self) -> Curfew {
        assert!(
            self.binary.is_file(),
            "{} is missing: cargo build --release, or set CURFEW_BIN",
            self.binary.display()
        );
        let folder = tempfile::Builder::new()
            .prefix("curfew-test-")
            .tempdir()
            .expect("a folder");
        let addresses: Vec<_> = (0..2 * self.nodes).map(|_| free_address()).collect();
        let issuer = format!("http://{}", addresses[0]);
        let database = Database::create(self.backend, folder.path(), self.postgres_url.as_deref());
        let nodes = addresses.chunks(2).map(|pair| Node {
            public: pair[0],
            metrics: pair[1],
            process: None,
        });
        let mut curfew = Curfew {
            nodes: nodes.collect(),
            folder,
            issuer,
            database,
            setup: self,
            init: Value::Null,
        };
        curfew.initialise();
        curfew
    }

    /// Prepares and starts every node, and waits until each is ready.
    pub fn start(self) -> Curfew {
        let mut curfew = self.prepare();
        for node in 0..curfew.nodes.len() {
            curfew.start_node(node);
        }
        curfew
    }
}

/// The folder of the project.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the project's folder")
        .to_owned()
}

fn beside_the_test() -> PathBuf {
    let test = std::env::current_exe().expect("the test's own path");
    let folder = test
        .ancestors()
        .find(|folder| folder.file_name().is_some_and(|name| name == "deps"));
    folder
        .and_then(Path::parent)
        .map_or_else(|| repository().join("target/release"), Path::to_owned)
        .join("curfew")
}

/// A port below those that the system gives to outgoing connections, so that nobody takes it before the server does.
fn free_address() -> SocketAddr {
    loop {
        let port = 10_000 + u16::try_from(random_below(22_000)).expect("a port");
        if let Ok(listener) = TcpListener::bind(("127.0.0.1", port)) {
            return listener.local_addr().expect("the address of a listener");
        }
    }
}

/// The seconds that the clock of a server which travels in time is ahead.
fn offset(clock_file: &Path) -> u64 {
    let text = fs::read_to_string(clock_file).expect("the server travels in time");
    let number = text.trim().trim_matches(['+', 's']);
    number.parse().expect("an offset")
}

#[derive(Debug)]
struct Database {
    backend: Backend,
    url: String,
    /// PostgreSQL: the cluster's own database and the name of ours in it.
    within: Option<(String, String)>,
}

impl Database {
    fn create(backend: Backend, folder: &Path, postgres_url: Option<&str>) -> Self {
        if backend == Backend::Sqlite {
            return Self {
                backend,
                url: format!("sqlite:{}", folder.join("curfew.db").display()),
                within: None,
            };
        }
        let cluster = postgres_url
            .map(str::to_owned)
            .or_else(|| std::env::var("CURFEW_TEST_POSTGRES_URL").ok());
        let cluster = cluster.expect("CURFEW_TEST_POSTGRES_URL names a throw-away cluster: eval \"$(conformance-tests/postgres start DIR)\"");
        let name = format!("test_{:016x}", random_below(u64::MAX));
        psql(&cluster, &format!("CREATE DATABASE {name}"));
        let mut url = url::Url::parse(&cluster).expect("CURFEW_TEST_POSTGRES_URL is a URL");
        url.set_path(&name);
        Self {
            backend,
            url: url.into(),
            within: Some((cluster, name)),
        }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Some((cluster, name)) = &self.within {
            // The cluster is thrown away anyway; a database that stays behind harms nobody.
            let drop = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
            let _ = Command::new("psql")
                .args([cluster, "-qX", "-c", &drop])
                .output();
        }
    }
}

fn try_psql(url: &str, statement: &str) -> Output {
    let mut command = Command::new("psql");
    command
        .args([url, "-qAtX", "-v", "ON_ERROR_STOP=1", "-c", statement])
        .output()
        .expect("psql runs")
}

fn psql(url: &str, statement: &str) {
    let done = try_psql(url, statement);
    assert!(
        done.status.success(),
        "{statement}: {}",
        String::from_utf8_lossy(&done.stderr)
    );
}

#[derive(Debug)]
struct Node {
    public: SocketAddr,
    metrics: SocketAddr,
    process: Option<Child>,
}

/// A server of one or more nodes. Everything it started ends with it.
#[derive(Debug)]
pub struct Curfew {
    nodes: Vec<Node>,
    folder: TempDir,
    issuer: String,
    database: Database,
    setup: Setup,
    init: Value,
}

impl Curfew {
    pub fn start(backend: Backend) -> Self {
        Setup::new(backend).start()
    }

    fn initialise(&mut self) {
        if self.setup.time_travel {
            fs::write(self.clock_file(), "+0s\n").expect("the clock file");
        }
        let folder = self.folder.path().join("state").display().to_string();
        let listen = self.nodes[0].public.to_string();
        let arguments = [
            "init",
            "--dir",
            &folder,
            "--issuer",
            &self.issuer,
            "--database",
            &self.database.url,
            "--listen",
            &listen,
        ];
        self.init = self.cli(&arguments);
        self.run(&["migrate"], "");
    }

    pub fn backend(&self) -> Backend {
        self.database.backend
    }

    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// What `init` printed.
    pub fn init(&self) -> &Value {
        &self.init
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    pub fn database_url(&self) -> &str {
        &self.database.url
    }

    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// Node number `index`, under the issuer's name.
    pub fn node(&self, index: usize) -> Http {
        let host = self.issuer.trim_start_matches("http://").to_owned();
        Http {
            address: self.nodes[index].public,
            host,
        }
    }

    pub fn nodes(&self) -> Vec<Http> {
        (0..self.nodes.len())
            .map(|index| self.node(index))
            .collect()
    }

    pub fn http(&self) -> Http {
        self.node(0)
    }

    /// The listener for metrics of a node.
    pub fn metrics(&self, index: usize) -> Http {
        let address = self.nodes[index].metrics;
        Http {
            address,
            host: address.to_string(),
        }
    }

    fn clock_file(&self) -> PathBuf {
        self.folder.path().join("clock")
    }

    fn log_file(&self, index: usize) -> PathBuf {
        self.folder.path().join(format!("node{index}.log"))
    }

    /// All that a node wrote to its log.
    pub fn log(&self, index: usize) -> String {
        fs::read(self.log_file(index))
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    fn command(&self, binary: &Path) -> Command {
        let mut command = Command::new(binary);
        command
            .current_dir(self.folder.path())
            .env("CURFEW_CONFIG", self.state().join("curfew.toml"));
        command.env("NO_COLOR", "1").envs(
            self.setup
                .environment
                .iter()
                .map(|(name, value)| (name, value)),
        );
        if self.setup.time_travel {
            command
                .env("LD_PRELOAD", LIBFAKETIME)
                .env("FAKETIME_TIMESTAMP_FILE", self.clock_file());
            command
                .env("FAKETIME_NO_CACHE", "1")
                .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
            command.env("DONT_FAKE_MONOTONIC", "1");
        }
        command
    }

    /// Starts a node and waits until it is ready.
    pub fn start_node(&mut self, index: usize) {
        self.spawn_node(index);
        self.wait_until_ready(index, Duration::from_secs(20));
    }

    /// Starts a node; it may not be ready yet.
    pub fn spawn_node(&mut self, index: usize) {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log_file(index))
            .expect("a log file");
        let node = &self.nodes[index];
        let mut command = match &self.setup.faulty_server {
            None => self.command(&self.setup.binary),
            Some((binary, fault)) => {
                let mut command = self.command(binary);
                command.env("CURFEW_SEEDED_FAULT", fault);
                command
            }
        };
        command.env("CURFEW_LISTEN_PUBLIC", node.public.to_string());
        command.env("CURFEW_LISTEN_METRICS", node.metrics.to_string());
        command.arg("serve").stdin(Stdio::null());
        command
            .stdout(log.try_clone().expect("a second handle of the log"))
            .stderr(log);
        self.nodes[index].process = Some(command.spawn().expect("the server starts"));
    }

    /// Waits for `/ready`; returns how long that took.
    pub fn wait_until_ready(&mut self, index: usize, patience: Duration) -> Duration {
        let started = Instant::now();
        let http = self.node(index);
        loop {
            if http
                .try_send(&crate::Request::get("/ready"))
                .is_ok_and(|answer| answer.status == 200)
            {
                return started.elapsed();
            }
            let process = self.nodes[index]
                .process
                .as_mut()
                .expect("the node was started");
            let ended = process.try_wait().expect("the state of a child");
            let late = started.elapsed() > patience;
            assert!(
                ended.is_none() && !late,
                "node {index} is not ready ({ended:?}):\n{}",
                self.log(index)
            );
            thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn pid(&self, index: usize) -> u32 {
        self.nodes[index]
            .process
            .as_ref()
            .expect("the node runs")
            .id()
    }

    /// `kill -9`
    pub fn kill_node(&mut self, index: usize) {
        if let Some(mut process) = self.nodes[index].process.take() {
            process.kill().expect("a running child can be killed");
            process.wait().expect("a killed child ends");
        }
    }

    /// Asks a node to end and returns its exit code.
    pub fn stop_node(&mut self, index: usize) -> Option<i32> {
        let mut process = self.nodes[index].process.take()?;
        let asked = Command::new("kill")
            .args(["-TERM", &process.id().to_string()])
            .status()
            .expect("kill runs");
        assert!(asked.success());
        process.wait().expect("the server ends").code()
    }

    /// Moves the clock of a server started with [`Setup::time_travel`].
    pub fn advance(&self, seconds: u64) {
        let now = offset(&self.clock_file());
        // Replaced in one step: the server never reads half a file.
        let next = self.folder.path().join("clock.next");
        fs::write(&next, format!("+{}s\n", now + seconds)).expect("the clock file");
        fs::rename(next, self.clock_file()).expect("the clock file");
    }

    /// The server's clock in seconds since 1970, for whoever must agree with it.
    pub fn clock(&self) -> impl Fn() -> i64 + Send + Sync + 'static {
        let file = self.setup.time_travel.then(|| self.clock_file());
        move || {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
            let now = now.map_or(0, |since| since.as_secs());
            let ahead = file.as_ref().map_or(0, |file| offset(file));
            i64::try_from(now + ahead).expect("a time")
        }
    }

    /// Starts the command line, with pipes for everything that it reads and writes.
    pub fn start_cli(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(&self.setup.binary);
        command
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command.spawn().expect("the command line starts")
    }

    /// Runs the command line and hands back what became of it.
    pub fn try_cli(&self, arguments: &[&str], input: &str) -> Output {
        let mut child = self.start_cli(arguments);
        let mut stdin = child.stdin.take().expect("its standard input");
        // A command that reads nothing may be gone already.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        child.wait_with_output().expect("the command line ends")
    }

    /// Runs the command line, which must succeed.
    #[track_caller]
    pub fn run(&self, arguments: &[&str], input: &str) -> String {
        let done = self.try_cli(arguments, input);
        let (out, err) = (
            String::from_utf8_lossy(&done.stdout),
            String::from_utf8_lossy(&done.stderr),
        );
        assert!(
            done.status.success(),
            "curfew {}: {}\n{out}{err}",
            arguments.join(" "),
            done.status
        );
        out.into_owned()
    }

    /// Runs the command line with `--json`.
    #[track_caller]
    pub fn cli(&self, arguments: &[&str]) -> Value {
        self.cli_with(arguments, "")
    }

    #[track_caller]
    pub fn cli_with(&self, arguments: &[&str], input: &str) -> Value {
        let out = self.run(&[arguments, &["--json"]].concat(), input);
        serde_json::from_str(&out)
            .unwrap_or_else(|error| panic!("curfew {}: {error}: {out}", arguments.join(" ")))
    }

    /// Asks the database itself for one value; for assertions about what is stored.
    #[track_caller]
    pub fn query(&self, statement: &str) -> String {
        self.try_query(statement)
            .unwrap_or_else(|error| panic!("{statement}: {error}"))
    }

    /// Runs a statement on the database itself; the error is the database's own.
    pub fn try_query(&self, statement: &str) -> Result<String, String> {
        let script = "import sqlite3, sys\n\
            c = sqlite3.connect(sys.argv[1], timeout=10)\n\
            print('\\n'.join('|'.join(map(str, row)) for row in c.execute(sys.argv[2])))\n\
            c.commit()";
        let done = match self.database.backend {
            Backend::Postgres => try_psql(&self.database.url, statement),
            Backend::Sqlite => {
                let file = self.database.url.trim_start_matches("sqlite:");
                let mut command = Command::new("python3");
                command
                    .args(["-c", script, file, statement])
                    .output()
                    .expect("python3 runs")
            }
        };
        if done.status.success() {
            Ok(String::from_utf8_lossy(&done.stdout).trim().to_owned())
        } else {
            Err(String::from_utf8_lossy(&done.stderr).into_owned())
        }
    }
}

impl Drop for Curfew {
    fn drop(&mut self) {
        for node in &mut self.nodes {
            if let Some(mut process) = node.process.take() {
                let _ = process.kill();
                let _ = process.wait();
            }
        }
        for index in 0..self.nodes.len() {
            let log = self.log(index);
            if thread::panicking() {
                let tail: Vec<_> = log.lines().rev().take(15).collect();
                for line in tail.into_iter().rev() {
                    eprintln!("node {index}: {line}");
                }
            } else {
                // Whatever a test does to the server, nothing in it may panic.
                assert!(
                    !log.contains("panicked at"),
                    "node {index} panicked:\n{log}"
                );
            }
        }
    }
}
