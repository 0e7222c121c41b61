//! A bare actix-web server with two workers that answers every request with the same bytes: `constant PORT`.

use actix_web::http::header::{CONTENT_TYPE, HeaderValue};
use actix_web::{App, HttpResponse, HttpServer, web};

const BODY: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<response>\n<osmp_txn_id>1</osmp_txn_id>\n\
                    <result>0</result>\n<comment>OK</comment>\n</response>";

async fn answer() -> HttpResponse {
    let content_type = HeaderValue::from_static("text/xml; charset=utf-8");
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, content_type))
        .body(BODY)
}

fn main() -> std::io::Result<()> {
    let port = std::env::args().nth(1).and_then(|port| port.parse().ok());
    let port: u16 = port.ok_or_else(|| std::io::Error::other("usage: constant PORT"))?;
    actix_web::rt::System::new().block_on(async move {
        HttpServer::new(|| App::new().default_service(web::to(answer)))
            .workers(2)
            .bind(("127.0.0.1", port))?
            .run()
            .await
    })
}
