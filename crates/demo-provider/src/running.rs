//! A provider in a thread of its own, which ends with its owner.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::ops::Deref;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread::{self, JoinHandle};

use actix_web::dev::ServerHandle;
use actix_web::rt::System;

use crate::config::Config;
use crate::provider::Provider;

/// It derefs to the provider.
#[derive(Debug)]
pub struct Running {
    provider: Arc<Provider>,
    address: SocketAddr,
    handle: ServerHandle,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    /// Serves on a free port of 127.0.0.1, and keeps every request.
    pub fn start(config: Config) -> io::Result<Self> {
        Self::start_at(config, SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    /// Serves on a loopback address; port 0 is any.
    pub fn start_at(config: Config, address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        let provider =
            Provider::honest(config, &format!("http://{address}")).map_err(io::Error::other)?;
        let provider = Arc::new(provider.watched());
        let (sender, started) = channel();
        let serving = Arc::clone(&provider);
        let thread = thread::Builder::new()
            .name("demo-provider".to_owned())
            .spawn(move || {
                System::new().block_on(async move {
                    match serving.serve(listener) {
                        Ok(server) => {
                            // Whoever started this waits for it.
                            let _ = sender.send(Ok(server.handle()));
                            let _ = server.await;
                        }
                        Err(error) => {
                            let _ = sender.send(Err(error));
                        }
                    }
                });
            })?;
        let handle = started.recv().map_err(io::Error::other)??;
        Ok(Self {
            provider,
            address,
            handle,
            thread: Some(thread),
        })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Deref for Running {
    type Target = Provider;

    fn deref(&self) -> &Provider {
        &self.provider
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The command is on its way as soon as the future is made; the thread ends when it is carried out.
        drop(self.handle.stop(false));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
