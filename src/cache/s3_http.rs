//! `object_store`'s requests by our own HTTP client, which knows the site's proxies and certificate authorities.
//!
//! The client blocks, and each request has a runtime and a thread of its own, so that nobody else waits meanwhile.

use std::{
    io::Read,
    pin::Pin,
    sync::Mutex,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use object_store::{
    ClientOptions,
    client::{
        HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody,
        HttpService,
    },
};
use ureq::Agent;

use crate::fetch::Fetcher;

/// How much of an answer is read at once.
const PIECE: usize = 64 << 10;

/// Makes clients that send with an agent.
#[derive(Debug)]
pub(super) struct UreqConnector {
    agent: Agent,
}

impl UreqConnector {
    /// With the agent of a fetcher.
    pub(super) fn new(fetcher: &Fetcher) -> Self {
        UreqConnector { agent: fetcher.agent().clone() }
    }
}

impl HttpConnector for UreqConnector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(UreqService { agent: self.agent.clone() }))
    }
}

#[derive(Debug)]
struct UreqService {
    agent: Agent,
}

#[async_trait::async_trait]
impl HttpService for UreqService {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let request = http::Request::from_parts(parts, body.to_vec());
        // Deletions and the like have no body, and an empty one would be refused.
        let answer = if request.body().is_empty()
            && !matches!(*request.method(), http::Method::PUT | http::Method::POST)
        {
            self.agent.run(request.map(|_| ()))
        } else {
            self.agent.run(request)
        };
        let (parts, body) = answer.map_err(failed)?.into_parts();
        let reader = Mutex::new(Box::new(body.into_reader()) as Box<dyn Read + Send>);
        Ok(http::Response::from_parts(parts, HttpResponseBody::new(Answer { reader })))
    }
}

fn failed(error: ureq::Error) -> HttpError {
    let kind = match &error {
        ureq::Error::Timeout(_) => HttpErrorKind::Timeout,
        ureq::Error::ConnectionFailed | ureq::Error::HostNotFound => HttpErrorKind::Connect,
        ureq::Error::Io(_) => HttpErrorKind::Interrupted,
        _ => HttpErrorKind::Unknown,
    };
    HttpError::new(kind, error)
}

/// The body of an answer, read as it is asked for.
struct Answer {
    reader: Mutex<Box<dyn Read + Send>>,
}

impl Body for Answer {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        let reader = self.reader.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut piece = vec![0; PIECE];
        Poll::Ready(match reader.read(&mut piece) {
            Ok(0) => None,
            Ok(count) => {
                piece.truncate(count);
                Some(Ok(Frame::data(piece.into())))
            }
            Err(error) => Some(Err(HttpError::new(HttpErrorKind::Interrupted, error))),
        })
    }
}
