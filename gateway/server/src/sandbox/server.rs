use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use plugin_sdk::{Clock, SandboxAnswer, SandboxRequest};
use tokio::task::JoinHandle;

use super::faults::Fault;
use super::{Host, control, notifications};

const FAULT: &str = "x-sandbox-fault";
/// Stands for the certificate of a client where there is no TLS: SHA-256 in hexadecimal digits.
const CERTIFICATE: &str = "x-sandbox-client-certificate";
/// With it a network's own rules say how late an answer comes, in seconds. It is not passed on.
const DELAY: &str = "x-sandbox-delay-seconds";
const DELAY_S_MAX: u64 = 300;
/// Largest body of a request, in bytes.
const BODY_BYTES_MAX: usize = 1024 * 1024;
const WORKERS: usize = 1;

/// A sandbox that listens.
pub struct Running {
    pub address: SocketAddr,
    server: ServerHandle,
    serving: JoinHandle<std::io::Result<()>>,
    sending: JoinHandle<()>,
}

impl Running {
    pub async fn stop(self) {
        self.sending.abort();
        self.server.stop(false).await;
        let _ = self.serving.await;
    }
}

/// The socket of a connection, so that it can be cut.
struct Socket(TcpStream);

/// Serves until it is stopped.
pub fn start(host: Arc<Host>, listen: &str) -> std::io::Result<Running> {
    let client = reqwest::Client::builder()
        .no_proxy()
        .build()
        .map_err(std::io::Error::other)?;
    let sending = tokio::spawn(notifications::send_due(Arc::clone(&host), client));
    let data = Data::from(host);
    let server = HttpServer::new(move || {
        App::new()
            .app_data(data.clone())
            .app_data(web::PayloadConfig::default().limit(BODY_BYTES_MAX))
            .configure(control::configure)
            .default_service(web::route().to(network))
    })
    .on_connect(|connection, extensions| {
        let stream = connection.downcast_ref::<actix_web::rt::net::TcpStream>();
        let copy = stream.and_then(|stream| stream.as_fd().try_clone_to_owned().ok());
        if let Some(copy) = copy {
            extensions.insert(Socket(TcpStream::from(copy)));
        }
    })
    .workers(WORKERS)
    .disable_signals()
    .bind(listen)?;
    let address = server.addrs().first().copied();
    let address = address.ok_or(std::io::ErrorKind::AddrNotAvailable)?;
    let server = server.run();
    Ok(Running {
        address,
        server: server.handle(),
        serving: tokio::spawn(server),
        sending,
    })
}

async fn network(host: Data<Host>, request: HttpRequest, body: Bytes) -> HttpResponse {
    let asked = read(&request, &body);
    let Some(network) = host.network_of(&asked.path) else {
        return HttpResponse::NotFound().body("no network of this sandbox has this path; GET / tells what there is\n");
    };
    let ordered = asked.header(FAULT).and_then(|fault| fault.parse().ok());
    let fault = ordered.or_else(|| host.faults.take(&asked.method, &asked.path));
    match fault {
        Some(Fault::DropBefore) => return cut(&request),
        Some(Fault::ErrorBefore) => return HttpResponse::InternalServerError().finish(),
        Some(Fault::Delay(delay)) => tokio::time::sleep(delay).await,
        _ => {}
    }
    let mut answer = network.lock().handle(&asked, host.clock.now());
    if let Some(at) = answer.headers.iter().position(|(name, _)| *name == DELAY) {
        let (_, seconds) = answer.headers.swap_remove(at);
        let seconds = seconds.parse::<u64>().unwrap_or_default().min(DELAY_S_MAX);
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }
    match fault {
        Some(Fault::DropAfter) => cut(&request),
        Some(Fault::ErrorAfter) => HttpResponse::InternalServerError().finish(),
        Some(Fault::GarbageAfter) => HttpResponse::build(status(answer.status)).body("\u{0}<not { what [ you expect"),
        _ => respond(answer),
    }
}

fn read(request: &HttpRequest, body: &Bytes) -> SandboxRequest {
    let headers = request.headers().iter().map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        (name.as_str().to_owned(), value)
    });
    let certificate = request.headers().get(CERTIFICATE).and_then(|value| value.to_str().ok());
    let host = request.connection_info().host().to_owned();
    SandboxRequest {
        method: request.method().as_str().to_owned(),
        path: request.path().to_owned(),
        query: request.query_string().to_owned(),
        headers: headers.collect(),
        body: body.to_vec(),
        client_certificate: certificate.map(str::to_owned),
        base_url: format!("http://{host}"),
    }
}

fn respond(answer: SandboxAnswer) -> HttpResponse {
    let mut response = HttpResponse::build(status(answer.status));
    for (name, value) in answer.headers {
        response.append_header((name, value));
    }
    response.body(answer.body)
}

fn status(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// Ends the connection without a word. What this returns is never read.
fn cut(request: &HttpRequest) -> HttpResponse {
    if let Some(Socket(socket)) = request.conn_data::<Socket>() {
        let _ = socket.shutdown(std::net::Shutdown::Both);
    }
    HttpResponse::InternalServerError().finish()
}
