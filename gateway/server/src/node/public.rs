//! The listeners that networks and tenant systems call.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_http::{Extensions, HttpService, KeepAlive};
use actix_server::{GracefulShutdownSignal, Server, ServerBuilder, ServerHandle};
use actix_service::{IntoServiceFactory, ServiceFactory, ServiceFactoryExt, fn_service, map_config};
use actix_web::App;
use actix_web::body::{BoxBody, EitherBody};
use actix_web::dev::{AppConfig, ServiceRequest, ServiceResponse};
use actix_web::middleware::from_fn;
use actix_web::web::{self, Data};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::{NodeError, SHUTDOWN_TIMEOUT, num_cores};
use crate::api::admin::Admin;
use crate::api::deadline::ReadDeadline;
use crate::api::endless::{Keeping, close_endless};
use crate::api::heads::refuse_long_heads;
use crate::api::merchant::MerchantApi;
use crate::api::merchant::own::BODY_BYTES_MAX;
use crate::api::misdirected::refuse_misdirected;
use crate::api::{network, problem::Problem};
use crate::edge::guards::Guards;
use crate::edge::listener::{self, Admission, Connection, Entrance};
use crate::edge::tls::Terminator;
use crate::settings::PublicSettings;

/// How long a caller may take to let go of a connection that we closed.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// What the handlers of the public listeners need.
#[derive(Clone)]
pub struct Desk {
    pub network: Data<network::Network>,
    pub merchant_api: Data<MerchantApi>,
    /// Behind `/v1` for what merchants' systems share with people: rules and lists.
    pub admin: Data<Admin>,
    pub guards: Guards,
    pub body_bytes_max: usize,
    pub read_deadline: ReadDeadline,
}

pub struct Listening {
    /// Of the plain listener.
    pub plain: SocketAddr,
    /// Of those with TLS.
    pub tls: Vec<SocketAddr>,
    pub server: (ServerHandle, JoinHandle<std::io::Result<()>>),
}

pub async fn listen(
    public: &PublicSettings,
    desk: &Desk,
    admission: Arc<dyn Admission>,
    terminator: &Arc<Terminator>,
) -> Result<Listening, NodeError> {
    let workers = if public.workers == 0 {
        num_cores()
    } else {
        public.workers
    };
    let mut builder = Server::build()
        .workers(workers)
        .max_concurrent_connections((public.connections_max / workers).max(1))
        .shutdown_timeout(SHUTDOWN_TIMEOUT.as_secs())
        .disable_signals();
    let conduct = Conduct {
        entrance: Entrance {
            admission,
            trusted_proxies: public.trusted_proxies.clone().into(),
            proxy_protocol: public.proxy_protocol,
            tls: None,
            greeting_timeout: Duration::from_millis(public.handshake_timeout_ms),
        },
        keep_alive: Duration::from_secs(public.keep_alive_s),
        head_timeout: Duration::from_millis(public.head_timeout_ms),
        stopping: builder.graceful_shutdown_signal(),
    };
    let mut over_tls = conduct.clone();
    over_tls.entrance.tls = Some(Arc::clone(terminator));
    let (mut plain, mut tls) = (Vec::new(), Vec::new());
    builder = add(builder, &public.listen, desk, &conduct, &mut plain).await?;
    for address in &public.tls_listen {
        builder = add(builder, address, desk, &over_tls, &mut tls).await?;
    }
    let plain = plain.first().copied().ok_or_else(|| NodeError::Listen {
        address: public.listen.clone(),
        error: std::io::ErrorKind::AddrNotAvailable.into(),
    })?;
    let server = builder.run();
    Ok(Listening {
        plain,
        tls,
        server: (server.handle(), tokio::spawn(server)),
    })
}

/// Adds the sockets of one address of the settings; `bound` takes where they are.
async fn add(
    mut builder: ServerBuilder,
    address: &str,
    desk: &Desk,
    conduct: &Conduct,
    bound: &mut Vec<SocketAddr>,
) -> Result<ServerBuilder, NodeError> {
    let listen_error = |error| NodeError::Listen {
        address: address.to_owned(),
        error,
    };
    for socket in listener::bind(address).await.map_err(listen_error)? {
        bound.push(socket.local_addr().map_err(listen_error)?);
        let (desk, conduct) = (desk.clone(), conduct.clone());
        let service = move || serve(&desk, &conduct);
        builder = builder.listen("public", socket, service).map_err(listen_error)?;
    }
    Ok(builder)
}

/// How the connections of one address are treated.
#[derive(Clone)]
struct Conduct {
    entrance: Entrance,
    keep_alive: Duration,
    head_timeout: Duration,
    stopping: GracefulShutdownSignal,
}

/// From an accepted socket to the last answer of its connection.
fn serve(
    desk: &Desk,
    conduct: &Conduct,
) -> impl ServiceFactory<TcpStream, Config = (), Response = (), Error = actix_http::error::DispatchError, InitError = ()>
+ use<> {
    desk.guards.shedding().watch_this_loop();
    let stopping = conduct.stopping.clone();
    let app = app(desk)
        .into_factory()
        .map_err(|error: actix_web::Error| error.error_response());
    let http = HttpService::build()
        .graceful_shutdown_signal(move || {
            let stopping = stopping.clone();
            async move { stopping.notified().await }
        })
        .keep_alive(KeepAlive::Timeout(conduct.keep_alive))
        .client_request_timeout(conduct.head_timeout)
        .client_disconnect_timeout(DISCONNECT_TIMEOUT)
        .on_connect_ext(|connection: &Connection, data: &mut Extensions| {
            data.insert(connection.caller().clone());
            data.insert(Arc::clone(connection.permit()));
        })
        .finish(map_config(app, |()| AppConfig::default()));
    let entrance = conduct.entrance.clone();
    fn_service(move |stream: TcpStream| {
        let entrance = entrance.clone();
        async move { Ok(entrance.receive(stream).await?) }
    })
    .and_then(http)
}

/// What the inner wraps make of an answer's body.
type Heads = EitherBody<EitherBody<BoxBody>>;
/// What all of them make of an answer.
type Answered = ServiceResponse<EitherBody<Heads, Keeping<Heads>>>;

fn app(
    desk: &Desk,
) -> App<
    impl ServiceFactory<ServiceRequest, Config = (), Response = Answered, Error = actix_web::Error, InitError = ()> + use<>,
> {
    App::new()
        .wrap(from_fn(refuse_misdirected))
        .wrap(from_fn(refuse_long_heads))
        .wrap(from_fn(close_endless))
        .app_data(desk.network.clone())
        .app_data(desk.merchant_api.clone())
        .app_data(desk.admin.clone())
        .app_data(Data::new(desk.read_deadline))
        .app_data(
            web::JsonConfig::default()
                .limit(BODY_BYTES_MAX)
                .error_handler(|error, _| Problem::malformed(error.to_string()).into()),
        )
        .app_data(web::PayloadConfig::default().limit(desk.body_bytes_max))
        .app_data(web::QueryConfig::default().error_handler(|error, _| Problem::malformed(error.to_string()).into()))
        .app_data(web::PathConfig::default().error_handler(|_, _| Problem::not_found("this path").into()))
        .configure(network::configure)
}
