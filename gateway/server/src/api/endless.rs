//! Bodies in chunks that nobody reads to their end. The HTTP library would read on for as long as the caller sends, if the
//! one who reads a body has dropped it; while it is kept, the connection is closed after the answer.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::Error;
use actix_web::body::{BodySize, EitherBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::error::PayloadError;
use actix_web::http::header::TRANSFER_ENCODING;
use actix_web::middleware::Next;
use actix_web::web::Bytes;
use futures_util::Stream;

pub async fn close_endless<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B, Keeping<B>>>, Error> {
    if !request.headers().contains_key(TRANSFER_ENCODING) {
        return Ok(next.call(request).await?.map_into_left_body());
    }
    let (_, payload) = request.parts_mut();
    let body = Rc::new(RefCell::new(payload.take()));
    *payload = Payload::Stream {
        payload: Box::pin(Lent(Rc::clone(&body))),
    };
    let response = next.call(request).await?;
    Ok(response.map_body(|_, answer| {
        EitherBody::right(Keeping {
            answer: Box::pin(answer),
            _body: body,
        })
    }))
}

/// An answer that keeps the request's body until it is sent.
pub struct Keeping<B> {
    answer: Pin<Box<B>>,
    _body: Rc<RefCell<Payload>>,
}

impl<B: MessageBody> MessageBody for Keeping<B> {
    type Error = B::Error;

    fn size(&self) -> BodySize {
        self.answer.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        self.answer.as_mut().poll_next(context)
    }
}

/// The body, for as long as somebody reads it.
struct Lent(Rc<RefCell<Payload>>);

impl Stream for Lent {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_next(context)
    }
}
