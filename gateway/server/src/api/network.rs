//! What networks call: `/in/{merchant}/{connection}`, and the seed container's `/payment`.

mod addressing;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::{ALLOW, AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use actix_web::http::{ConnectionType, StatusCode};
use actix_web::web::{Data, Path, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, ResponseError, web};
use plugin_sdk::connector::{NotificationError, NotificationRequest};
use plugin_sdk::{
    Clock, Command, InboundConnection, NetworkAnswer, NetworkRequest, PaymentId, RawAnswer, RawRequest, Reason,
};
use store::{LogWriter, NewExchange};
use tracing::Instrument;

use crate::api::merchant;
use crate::api::problem::Problem;
use crate::edge::body::{self, BodyLimits};
use crate::edge::certificates::Proof;
use crate::edge::guards::doors::{Busy, Socket};
use crate::edge::guards::gate::Seat;
use crate::edge::guards::porter::{Shown, Unproven};
use crate::edge::guards::shedding::Class;
use crate::edge::guards::{AtWork, Guards, Level, Reason as Cause, Refused};
use crate::edge::listener::{Caller, Permit};
use crate::edge::peer::{self, Proxies};
use crate::edge::recorder::Recorder;
use crate::payments::orders::{Orders, Refusal};
use crate::payments::{Acceptance, Answered, Call, Envelope};
use crate::tenancy::{BoundConnection, BoundTenant, Directory, Named};

/// Headers of a notification that its plugin sees.
const HEADERS_MAX: usize = 64;
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What the handlers need; one for each node.
pub struct Network {
    pub directory: Directory,
    pub acceptance: Acceptance,
    pub orders: Orders,
    pub guards: Guards,
    pub log: LogWriter,
    pub clock: Arc<dyn Clock>,
    pub proxies: Proxies,
    pub body_bytes_max: usize,
    pub body_timeout: Duration,
    /// Merchant and connection that `/payment` means when nothing else names one.
    pub default_connection: Option<(String, String)>,
}

pub fn configure(config: &mut ServiceConfig) {
    config
        .route("/in/{merchant}/{connection}", web::route().to(by_path))
        .route("/payment", web::route().to(by_proof))
        .configure(merchant::configure)
        .default_service(web::route().to(nowhere));
}

async fn by_path(
    network: Data<Network>,
    request: HttpRequest,
    path: Path<(String, String)>,
    payload: Payload,
) -> HttpResponse {
    let (merchant, connection) = path.into_inner();
    let mut recorder = network.recorder(&request);
    let target = network.target(&merchant, &connection).await;
    network.serve(&request, payload, &mut recorder, target).await
}

async fn by_proof(network: Data<Network>, request: HttpRequest, payload: Payload) -> HttpResponse {
    let mut recorder = network.recorder(&request);
    let target = network.target_of_proof(&request).await;
    network.serve(&request, payload, &mut recorder, target).await
}

async fn nowhere(network: Data<Network>, request: HttpRequest) -> HttpResponse {
    let recorder = network.recorder(&request);
    network.turn_away(&request, &recorder, &Problem::not_found("this path"))
}

impl Network {
    fn recorder(&self, request: &HttpRequest) -> Recorder {
        Recorder::new(request, self.address(request).to_string(), self.clock.now())
    }

    async fn serve(
        &self,
        request: &HttpRequest,
        payload: Payload,
        recorder: &mut Recorder,
        target: Result<Named, Problem>,
    ) -> HttpResponse {
        let (tenant, connection) = match target {
            Ok(target) => target,
            Err(problem) if problem.status == 404 => return self.turn_away(request, recorder, &problem),
            Err(problem) => return self.refuse(recorder, &problem),
        };
        recorder.merchant = Some(tenant.merchant.id);
        recorder.connection = Some(connection.row.id);
        let span = tracing::info_span!(
            "request",
            id = recorder.request_id,
            merchant = tenant.merchant.slug,
            connection = connection.row.slug,
            payment = tracing::field::Empty,
        );
        self.serve_connection(request, payload, recorder, &tenant, &connection)
            .instrument(span)
            .await
    }

    async fn serve_connection(
        &self,
        request: &HttpRequest,
        payload: Payload,
        recorder: &mut Recorder,
        tenant: &BoundTenant,
        connection: &Arc<BoundConnection>,
    ) -> HttpResponse {
        if connection.outbound().is_some() {
            return self
                .serve_notification(request, payload, recorder, tenant, connection)
                .await;
        }
        let Some(protocol) = connection.inbound() else {
            return self.refuse(
                recorder,
                &Problem::unavailable("this connection's config cannot be used"),
            );
        };
        let address = self.address(request);
        let admitted = self.admit(request, recorder, tenant, connection, protocol, address);
        if let Some(refusal) = admitted.await {
            return refusal;
        }
        if !matches!(request.method().as_str(), "GET" | "POST") {
            let mut response = self.refuse(recorder, &Problem::method_not_allowed("GET or POST"));
            response
                .headers_mut()
                .insert(ALLOW, HeaderValue::from_static("GET, POST"));
            return response;
        }
        let place = self.may_ask(request, tenant, connection, address).await;
        let body = match body::read(payload, self.body_limits()).await {
            Ok(body) => body,
            Err(error) => return self.refuse(recorder, &error.into()),
        };
        recorder.body(&body);
        let raw = RawRequest {
            method: request.method().as_str(),
            query: request.query_string(),
            content_type: request
                .headers()
                .get(CONTENT_TYPE)
                .and_then(|value| value.to_str().ok()),
            body: &body,
        };
        let asked = protocol.parse(&raw);
        let work = match place {
            Ok(place) => self
                .may_work(tenant, connection, &asked)
                .await
                .map(|work| (place, work)),
            Err(refused) => Err(refused),
        };
        match work {
            Ok(_at_work) => self.answer(recorder, tenant, connection, protocol, &asked).await,
            Err(refused) => self.later(recorder, protocol, &asked, refused),
        }
    }

    /// Whether the network may ask something now: a place for its socket, and room in the rates.
    async fn may_ask(
        &self,
        request: &HttpRequest,
        tenant: &BoundTenant,
        connection: &BoundConnection,
        address: IpAddr,
    ) -> Result<Option<Busy>, Refused> {
        let place = match socket(request) {
            Some(socket) => self.guards.socket(socket, tenant, connection).await?,
            None => None,
        };
        self.guards.network_rate(tenant, connection, address).await?;
        Ok(place)
    }

    /// Whether what it asked can be worked on now.
    async fn may_work(
        &self,
        tenant: &BoundTenant,
        connection: &BoundConnection,
        asked: &NetworkRequest,
    ) -> Result<AtWork, Refused> {
        let class = match asked.command {
            Command::Info | Command::Check | Command::Unknown => Class::Check,
            Command::Pay => Class::Vital,
        };
        if let Some(refused) = self.guards.shed(tenant, class) {
            return Err(refused);
        }
        self.guards.network_work(tenant, connection).await
    }

    /// A network takes any other status for trouble on the line, so it hears in its own words that it should come again.
    fn later(
        &self,
        recorder: &Recorder,
        protocol: &dyn InboundConnection,
        asked: &NetworkRequest,
        refused: Refused,
    ) -> HttpResponse {
        let answer = protocol.render(asked, &NetworkAnswer::refused(Reason::Temporary));
        self.record_refusal(recorder, answer.status, &answer.body);
        let mut response = response(&recorder.request_id, answer);
        if refused.reason == Cause::Sockets {
            response.head_mut().set_connection_type(ConnectionType::Close);
        }
        response
    }

    fn address(&self, request: &HttpRequest) -> IpAddr {
        peer::address(request, &self.proxies)
    }

    /// Somebody who asks for nothing that is here, or did not prove to be who may ask. Who does so too often is not
    /// told why, and fills no log.
    fn turn_away(&self, request: &HttpRequest, recorder: &Recorder, problem: &Problem) -> HttpResponse {
        match self.guards.stranger(self.address(request)) {
            Ok(()) => self.refuse(recorder, problem),
            Err(wait) => Problem::stranger(wait).error_response(),
        }
    }

    fn body_limits(&self) -> BodyLimits {
        BodyLimits {
            bytes_max: self.body_bytes_max,
            timeout: self.body_timeout,
        }
    }

    /// A network that we call tells something by itself. It is acknowledged once what it told is stored.
    async fn serve_notification(
        &self,
        request: &HttpRequest,
        payload: Payload,
        recorder: &mut Recorder,
        tenant: &BoundTenant,
        connection: &Arc<BoundConnection>,
    ) -> HttpResponse {
        let subnets = connection
            .outbound()
            .map_or(&[][..], |outbound| outbound.notification_subnets());
        let address = self.address(request);
        if !subnets.is_empty() && !subnets.iter().any(|subnet| subnet.contains(&address)) {
            self.count(tenant, connection, Cause::Address);
            return self.turn_away(request, recorder, &Problem::forbidden_address());
        }
        let body = match body::read(payload, self.body_limits()).await {
            Ok(body) => body,
            Err(error) => return self.refuse(recorder, &error.into()),
        };
        let hidden = connection
            .outbound()
            .map_or(&[][..], |outbound| outbound.notification_sensitive());
        match hidden {
            [] => recorder.body(&body),
            names => recorder.body_without(&body, names),
        }
        let headers = request.headers().iter().map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.as_str().to_owned(), value)
        });
        let headers: Vec<_> = headers.take(HEADERS_MAX).collect();
        let _at_work = match self.notification_work(tenant, connection).await {
            Ok(seat) => seat,
            Err(refused) => return self.refuse(recorder, &Problem::too_many_requests(refused).unavailable_instead()),
        };
        let told = NotificationRequest {
            method: request.method().as_str(),
            query: request.query_string(),
            headers: &headers,
            body: &body,
        };
        let (answer, payment) = match self.orders.notified(tenant, connection, &told).await {
            Ok(notified) => (notified.answer, notified.payment),
            Err(Refusal::Notification(NotificationError::Forged(answer))) => {
                metrics::counter!("tollgate_refused_total", "guard" => "signature").increment(1);
                if let Err(wait) = self.guards.stranger(address) {
                    return Problem::stranger(wait).error_response();
                }
                (answer, None)
            }
            Err(Refusal::Notification(NotificationError::Malformed { message, answer })) => {
                tracing::info!(connection = %connection.row.id, message, "a notification cannot be read");
                (answer, None)
            }
            Err(Refusal::Notification(NotificationError::NotSupported)) => {
                return self.refuse(recorder, &Problem::not_found("a receiver of notifications here"));
            }
            Err(Refusal::Order(error)) => {
                tracing::warn!(connection = %connection.row.id, %error, "a notification is not acknowledged yet");
                return self.refuse(recorder, &Problem::unavailable("it could not be stored; send it again"));
            }
        };
        if self
            .log
            .exchange(recorder.exchange(answer.status, &answer.body, payment))
            .is_err()
        {
            metrics::counter!("tollgate_exchanges_dropped_total").increment(1);
        }
        response(&recorder.request_id, answer)
    }

    async fn notification_work(&self, tenant: &BoundTenant, connection: &BoundConnection) -> Result<Seat, Refused> {
        if let Some(refused) = self.guards.shed(tenant, Class::Vital) {
            return Err(refused);
        }
        self.guards.notification_work(tenant, connection).await
    }

    fn count(&self, tenant: &BoundTenant, connection: &BoundConnection, cause: Cause) {
        self.guards
            .count(tenant, Level::Connection, &connection.row.slug, cause);
    }

    async fn admit(
        &self,
        request: &HttpRequest,
        recorder: &Recorder,
        tenant: &BoundTenant,
        connection: &Arc<BoundConnection>,
        protocol: &dyn InboundConnection,
        address: IpAddr,
    ) -> Option<HttpResponse> {
        let shown = Shown {
            peer: address,
            authorization: authorization(request),
            proof: proof(request),
            now: recorder.received_at,
        };
        let porter = self.guards.porter();
        let admitted = porter.admit(connection, protocol.access(), shown).await;
        let unproven = admitted.err()?;
        let cause = match unproven {
            Unproven::Address => Cause::Address,
            Unproven::Certificate => Cause::Certificate,
            Unproven::Login => Cause::Login,
            Unproven::Busy => Cause::LoginBusy,
        };
        self.count(tenant, connection, cause);
        Some(match unproven {
            Unproven::Address => self.turn_away(request, recorder, &Problem::forbidden_address()),
            Unproven::Certificate => {
                let problem = Problem::forbidden_certificate(shown.proof.is_some());
                self.turn_away(request, recorder, &problem)
            }
            Unproven::Login => {
                if let Err(wait) = self.guards.stranger(address) {
                    return Some(Problem::stranger(wait).error_response());
                }
                let answer = protocol.render_unauthorized();
                self.record_refusal(recorder, answer.status, &answer.body);
                response(&recorder.request_id, answer)
            }
            Unproven::Busy => self.refuse(recorder, &Problem::unavailable("too many logins are being checked")),
        })
    }

    async fn answer(
        &self,
        recorder: &Recorder,
        tenant: &BoundTenant,
        connection: &Arc<BoundConnection>,
        protocol: &dyn InboundConnection,
        request: &NetworkRequest,
    ) -> HttpResponse {
        let wire = Wire {
            protocol,
            request,
            recorder,
        };
        let received_at = recorder.received_at;
        let call = Call {
            tenant,
            connection,
            protocol,
            request,
            envelope: &wire,
            received_at,
        };
        let Answered {
            answer,
            payment,
            exchange_stored,
        } = self.acceptance.answer(&call).await;
        if let Some(payment) = payment {
            tracing::Span::current().record("payment", tracing::field::display(payment));
        }
        let command = request.command.as_str();
        metrics::counter!("tollgate_requests_total", "command" => command).increment(1);
        metrics::histogram!("tollgate_request_seconds", "command" => command).record(recorder.elapsed().as_secs_f64());
        if exchange_stored {
            return response(&recorder.request_id, answer);
        }
        if self.log.exchange(wire.exchange(&answer, payment)).is_err() {
            // Nothing was credited by this request, so it can be taken back: the record comes first.
            metrics::counter!("tollgate_exchanges_dropped_total").increment(1);
            return response(
                &recorder.request_id,
                wire.render(&NetworkAnswer::refused(Reason::Temporary)),
            );
        }
        response(&recorder.request_id, answer)
    }

    fn refuse(&self, recorder: &Recorder, problem: &Problem) -> HttpResponse {
        let mut problem = problem.clone();
        problem.request_id = Some(recorder.request_id.clone());
        let mut response = problem.error_response();
        let body = serde_json::to_string(&problem).unwrap_or_default();
        self.record_refusal(recorder, problem.status, &body);
        if let Ok(id) = HeaderValue::from_str(&recorder.request_id) {
            response.headers_mut().insert(REQUEST_ID, id);
        }
        response
    }

    fn record_refusal(&self, recorder: &Recorder, status: u16, body: &str) {
        let room = self.log.has_room_to_spare();
        if !room || self.log.exchange(recorder.refused_exchange(status, body)).is_err() {
            metrics::counter!("tollgate_exchanges_dropped_total").increment(1);
        }
    }
}

/// One request on the wire, as the payment core sees it.
struct Wire<'a> {
    protocol: &'a dyn InboundConnection,
    request: &'a NetworkRequest,
    recorder: &'a Recorder,
}

impl Envelope for Wire<'_> {
    fn render(&self, answer: &NetworkAnswer) -> RawAnswer {
        self.protocol.render(self.request, answer)
    }

    fn exchange(&self, answer: &RawAnswer, payment: Option<PaymentId>) -> NewExchange {
        self.recorder.exchange(answer.status, &answer.body, payment)
    }
}

/// What the connection's client certificate proves, if one was shown.
fn proof(request: &HttpRequest) -> Option<&Proof> {
    request.conn_data::<Caller>()?.tls.as_ref()?.proof.as_ref()
}

/// What the listener keeps of the request's TCP connection.
fn socket(request: &HttpRequest) -> Option<&Socket> {
    request.conn_data::<Permit>()?.downcast_ref()
}

fn authorization(request: &HttpRequest) -> Option<&str> {
    request.headers().get(AUTHORIZATION)?.to_str().ok()
}

fn response(request_id: &str, answer: RawAnswer) -> HttpResponse {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = HttpResponse::build(status);
    response.insert_header((REQUEST_ID, request_id));
    if let Some(content_type) = answer.content_type {
        response.insert_header((CONTENT_TYPE, content_type));
    }
    for (name, value) in answer.headers {
        response.insert_header((name, value));
    }
    response.body(answer.body)
}
