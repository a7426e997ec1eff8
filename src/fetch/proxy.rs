//! Sends plain `http:` requests through a proxy the way such proxies expect.
//!
//! ureq opens a tunnel (`CONNECT`) for every request. For `https:` that is right; for `http:` most site proxies refuse it, since
//! they allow tunnels to port 443 only, and caching proxies could not cache. So for `http:` the request goes to the proxy itself with the
//! whole address in its first line (RFC 9112, section 3.2.2). This uses ureq's transport interface, which may change
//! with a minor version; all of that is in this file.

use data_encoding::BASE64;
use ureq::config::Config;
use ureq::http::uri::Scheme;
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, DefaultConnector, NextTimeout, TcpConnector, Transport,
};
use ureq::{Agent, Error, Proxy, ProxyProtocol};

use super::resolver::Remembering;

/// An agent whose proxy, if it has one, serves `http:` without a tunnel.
pub(crate) fn agent(config: Config) -> Agent {
    Agent::with_parts(config, ForwardConnector::default(), Remembering::default())
}

#[derive(Debug, Default)]
struct ForwardConnector {
    other: DefaultConnector,
}

impl Connector for ForwardConnector {
    type Out = Box<dyn Transport>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<()>,
    ) -> Result<Option<Self::Out>, Error> {
        let plain = details.uri.scheme() == Some(&Scheme::HTTP);
        let proxy = details.config.proxy().filter(|proxy| {
            plain && proxy.protocol() == ProxyProtocol::Http && !proxy.is_no_proxy(details.uri)
        });
        let (Some(proxy), Some(authority)) = (proxy, details.uri.authority()) else {
            return self.other.connect(details, chained);
        };
        let to_proxy = ConnectionDetails {
            uri: proxy.uri(),
            addrs: details.resolver.resolve(proxy.uri(), details.config, details.timeout)?,
            config: details.config,
            request_level: details.request_level,
            resolver: details.resolver,
            now: details.now,
            timeout: details.timeout,
            current_time: details.current_time.clone(),
            run_connector: details.run_connector.clone(),
            register_shutdown: details.register_shutdown.clone(),
        };
        let connected = TcpConnector::default().connect(&to_proxy, None::<Box<dyn Transport>>)?;
        let transport = connected.map(|transport| Forward {
            transport,
            target: format!("http://{authority}").into_bytes(),
            header: authorization(proxy),
        });
        Ok(transport.map(|transport| Box::new(transport) as Box<dyn Transport>))
    }
}

fn authorization(proxy: &Proxy) -> Vec<u8> {
    let (user, password) = (proxy.username(), proxy.password());
    if user.is_none() && password.is_none() {
        return Vec::new();
    }
    let pair = format!("{}:{}", user.unwrap_or(""), password.unwrap_or(""));
    format!("Proxy-Authorization: Basic {}\r\n", BASE64.encode(pair.as_bytes())).into_bytes()
}

/// A connection to a proxy that completes the first line of each request.
#[derive(Debug)]
struct Forward<T> {
    transport: T,
    /// `http://` and the server, as in front of the path.
    target: Vec<u8>,
    /// The header line that the proxy wants, if any.
    header: Vec<u8>,
}

impl<T: Transport> Transport for Forward<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.transport.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        let output = self.transport.buffers().output();
        let amount = match complete(output.get(..amount).unwrap_or_default(), &self.target, &self.header) {
            Some(completed) => {
                let length = completed.len();
                let room =
                    output.get_mut(..length).ok_or_else(|| Error::BadUri("address too long".into()))?;
                room.copy_from_slice(&completed);
                length
            }
            None => amount,
        };
        self.transport.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.transport.await_input(timeout)
    }

    fn is_open(&mut self) -> bool {
        self.transport.is_open()
    }
}

/// The beginning of a request with the server put in front of its path and a header behind its first line; `None` for
/// other output. Only `GET` and `POST` are ever sent.
fn complete(output: &[u8], target: &[u8], header: &[u8]) -> Option<Vec<u8>> {
    let method: &[u8] = if output.starts_with(b"POST ") { b"POST " } else { b"GET " };
    let path = output.strip_prefix(method).filter(|rest| rest.starts_with(b"/"))?;
    let end = path.windows(2).position(|pair| pair == b"\r\n")? + 2;
    let (line, rest) = path.split_at(end);
    Some([method, target, line, header, rest].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_gets_the_server() {
        let request = b"GET /a?b HTTP/1.1\r\nhost: h.example.org\r\n\r\n";
        let completed = complete(request, b"http://h.example.org", b"X: y\r\n").unwrap();
        let expected = "GET http://h.example.org/a?b HTTP/1.1\r\nX: y\r\nhost: h.example.org\r\n\r\n";
        assert_eq!(String::from_utf8(completed).unwrap(), expected);
        let sent = complete(b"POST /a HTTP/1.1\r\n\r\nbody", b"http://h", b"").unwrap();
        assert_eq!(sent, b"POST http://h/a HTTP/1.1\r\n\r\nbody");
        assert_eq!(complete(b"host: h.example.org\r\n", b"http://h", b""), None);
    }

    #[test]
    fn a_proxy_with_a_password_is_told_it() {
        let proxy = Proxy::new("http://user:pass@proxy.example.org:3128").unwrap();
        assert_eq!(authorization(&proxy), b"Proxy-Authorization: Basic dXNlcjpwYXNz\r\n");
        assert_eq!(authorization(&Proxy::new("http://proxy.example.org:3128").unwrap()), b"");
    }
}
