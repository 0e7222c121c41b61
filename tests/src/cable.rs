//! The cable between a gateway and its database, which can be made to lose what the database says.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

const CHUNK_BYTES: usize = 16 * 1024;

/// Forwards TCP connections. While it is deaf, requests arrive and answers are lost.
pub struct Cable {
    pub address: SocketAddr,
    deaf: Arc<AtomicBool>,
    accepting: JoinHandle<()>,
}

impl Cable {
    pub async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let deaf = Arc::new(AtomicBool::new(false));
        let accepting = tokio::spawn({
            let deaf = Arc::clone(&deaf);
            async move {
                while let Ok((client, _)) = listener.accept().await {
                    tokio::spawn(forward(client, server, Arc::clone(&deaf)));
                }
            }
        });
        Self {
            address,
            deaf,
            accepting,
        }
    }

    /// From now on whatever the server answers is lost.
    pub fn lose_answers(&self) {
        self.deaf.store(true, Ordering::SeqCst);
    }

    pub fn mend(&self) {
        self.deaf.store(false, Ordering::SeqCst);
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn forward(client: TcpStream, server: SocketAddr, deaf: Arc<AtomicBool>) {
    let Ok(server) = TcpStream::connect(server).await else {
        return;
    };
    let ((mut asks, mut hears), (mut answers, mut receives)) = (client.into_split(), server.into_split());
    let questions = async { copy(&mut asks, &mut receives).await.is_ok() };
    let answers = async {
        let mut chunk = [0; CHUNK_BYTES];
        let mut lost = false;
        while let Ok(length @ 1..) = answers.read(&mut chunk).await {
            lost |= deaf.load(Ordering::SeqCst);
            // A stream that lost a byte would be nonsense from there on.
            if !lost && hears.write_all(&chunk[..length]).await.is_err() {
                break;
            }
        }
    };
    tokio::select! {
        _ = questions => {}
        () = answers => {}
    }
}
