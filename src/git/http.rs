//! Git's protocol over HTTP by the client of downloads: the same proxies, certificates and patience.
//!
//! gix hands out a request's body to be written and its answer to be read at once. Nothing is sent until the answer is first
//! read: then the body is whole.

use std::{
    cell::RefCell,
    io::{self, BufRead, BufReader, Cursor, Read, Write},
    rc::Rc,
};

use gix::Result as GixResult;
use gix_transport::{
    Protocol,
    client::blocking_io::http::{GetResponse, Http, PostBodyDataKind, PostResponse, Transport},
};
use ureq::Agent;

/// A transport to that address.
pub fn transport(
    agent: Agent,
    url: &str,
) -> Result<Transport<Client>, Box<dyn std::error::Error + Send + Sync>> {
    let url = gix::url::parse(url)?;
    Ok(Transport::new_http(Client { agent }, url, Protocol::V2, false))
}

/// The client.
pub struct Client {
    agent: Agent,
}

/// A request, and what came of it.
struct Exchange {
    agent: Agent,
    url: String,
    headers: Vec<(String, String)>,
    /// The body of a request that has one.
    body: Option<Vec<u8>>,
    answer: Option<Answer>,
}

struct Answer {
    headers: Cursor<Vec<u8>>,
    body: BufReader<Box<dyn Read>>,
}

type Shared = Rc<RefCell<Exchange>>;

impl Exchange {
    fn answer(&mut self) -> io::Result<&mut Answer> {
        if self.answer.is_none() {
            self.answer = Some(self.send()?);
        }
        self.answer.as_mut().ok_or_else(|| io::Error::other("the server did not answer"))
    }

    fn send(&mut self) -> io::Result<Answer> {
        let sent = match self.body.take() {
            Some(body) => {
                let mut request = self.agent.post(&self.url);
                for (name, value) in &self.headers {
                    request = request.header(name, value);
                }
                request.send(&body[..])
            }
            None => {
                let mut request = self.agent.get(&self.url);
                for (name, value) in &self.headers {
                    request = request.header(name, value);
                }
                request.call()
            }
        };
        let response = sent.map_err(|error| match error {
            ureq::Error::Io(error) => error,
            error => io::Error::other(error),
        })?;
        let status = response.status().as_u16();
        if status >= 400 {
            let kind = match status {
                401 | 403 => io::ErrorKind::PermissionDenied,
                _ => io::ErrorKind::Other,
            };
            return Err(io::Error::new(kind, format!("the server answered {status}")));
        }
        let mut lines = Vec::new();
        for (name, value) in response.headers() {
            writeln!(lines, "{}: {}", name.as_str(), String::from_utf8_lossy(value.as_bytes()))?;
        }
        let body: Box<dyn Read> = Box::new(response.into_body().into_reader());
        Ok(Answer { headers: Cursor::new(lines), body: BufReader::with_capacity(1 << 16, body) })
    }
}

impl Client {
    fn exchange(
        &self,
        url: &str,
        headers: impl IntoIterator<Item = impl AsRef<str>>,
        body: Option<Vec<u8>>,
    ) -> Shared {
        let split = |line: &str| {
            line.split_once(':').map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()))
        };
        let headers = headers.into_iter().filter_map(|line| split(line.as_ref())).collect();
        let (agent, url) = (self.agent.clone(), url.to_owned());
        Rc::new(RefCell::new(Exchange { agent, url, headers, body, answer: None }))
    }
}

impl Http for Client {
    type Headers = Headers;
    type ResponseBody = Body;
    type PostBody = Sending;

    fn get(
        &mut self,
        url: &str,
        _base_url: &str,
        headers: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> GixResult<GetResponse<Headers, Body>> {
        let shared = self.exchange(url, headers, None);
        Ok(GetResponse { headers: Headers(shared.clone(), Cursor::default()), body: Body::new(shared) })
    }

    fn post(
        &mut self,
        url: &str,
        _base_url: &str,
        headers: impl IntoIterator<Item = impl AsRef<str>>,
        _kind: PostBodyDataKind,
    ) -> GixResult<PostResponse<Headers, Body, Sending>> {
        let shared = self.exchange(url, headers, Some(Vec::new()));
        Ok(PostResponse {
            post_body: Sending(shared.clone()),
            headers: Headers(shared.clone(), Cursor::default()),
            body: Body::new(shared),
        })
    }

    fn configure(&mut self, _config: &dyn std::any::Any) -> GixResult {
        Ok(())
    }
}

/// The lines of an answer's head.
pub struct Headers(Shared, Cursor<Vec<u8>>);

impl Headers {
    fn begin(&mut self) -> io::Result<()> {
        if self.1.get_ref().is_empty() {
            self.1 = std::mem::take(&mut self.0.borrow_mut().answer()?.headers);
        }
        Ok(())
    }
}

impl Read for Headers {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.begin()?;
        self.1.read(buffer)
    }
}

impl BufRead for Headers {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.begin()?;
        self.1.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        self.1.consume(count);
    }
}

/// What an answer holds.
pub struct Body {
    shared: Shared,
    buffer: BufReader<Box<dyn Read>>,
    begun: bool,
}

impl Body {
    fn new(shared: Shared) -> Body {
        Body { shared, buffer: BufReader::with_capacity(0, Box::new(io::empty())), begun: false }
    }

    fn begin(&mut self) -> io::Result<()> {
        if !self.begun {
            let nothing = BufReader::with_capacity(0, Box::new(io::empty()) as Box<dyn Read>);
            self.buffer = std::mem::replace(&mut self.shared.borrow_mut().answer()?.body, nothing);
            self.begun = true;
        }
        Ok(())
    }
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.begin()?;
        self.buffer.read(buffer)
    }
}

impl BufRead for Body {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.begin()?;
        self.buffer.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        self.buffer.consume(count);
    }
}

/// The body of a request, collected.
pub struct Sending(Shared);

impl Write for Sending {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        match &mut self.0.borrow_mut().body {
            Some(body) => body.extend_from_slice(data),
            None => return Err(io::Error::other("the request was sent already")),
        }
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
