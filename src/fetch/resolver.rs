//! Looks each server up once, however many threads ask it.
//!
//! ureq looks a server up for each request, also where a connection to it is open. Hundreds of requests would be as many questions
//! to a name server, and one that drops some of them costs five seconds each time. This uses ureq's resolver interface, which may
//! change with a minor version.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use ureq::{
    Error,
    config::Config,
    http::Uri,
    unversioned::{
        resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver},
        transport::NextTimeout,
    },
};

/// How long an answer is good.
const KEPT: Duration = Duration::from_secs(60);

/// What is known of a server.
#[derive(Debug, Default)]
struct Server {
    answer: Option<(Instant, Vec<SocketAddr>)>,
    failed: Option<Instant>,
}

/// A resolver that remembers.
#[derive(Debug, Default)]
pub(super) struct Remembering {
    inner: DefaultResolver,
    servers: Mutex<HashMap<String, Arc<Mutex<Server>>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Resolver for Remembering {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let asked = Instant::now();
        let name = format!("{:?} {:?}", uri.scheme(), uri.authority());
        let server = Arc::clone(lock(&self.servers).entry(name).or_default());
        // Whoever comes while another thread asks waits for its answer, be it that there is none.
        let mut server = lock(&server);
        if let Some((at, addresses)) = &server.answer
            && at.elapsed() < KEPT
        {
            let mut known = self.empty();
            addresses.iter().for_each(|address| known.push(*address));
            return Ok(known);
        }
        if server.failed.is_some_and(|at| at > asked) {
            return Err(Error::HostNotFound);
        }
        match self.inner.resolve(uri, config, timeout) {
            Ok(found) => {
                server.answer = Some((Instant::now(), found.iter().copied().collect()));
                Ok(found)
            }
            Err(error) => {
                server.failed = Some(Instant::now());
                Err(error)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_given_again_and_a_failure_asked_again() {
        let resolver = Remembering::default();
        let config = Config::default();
        let timeout = || NextTimeout {
            after: ureq::unversioned::transport::time::Duration::NotHappening,
            reason: ureq::Timeout::Global,
            per_read: None,
            per_write: None,
        };
        let uri: Uri = "http://127.0.0.1:8080/a".parse().unwrap();
        let first = resolver.resolve(&uri, &config, timeout()).unwrap();
        // What is remembered is what is given: here something that asking would not give.
        let other: SocketAddr = "127.0.0.1:9".parse().unwrap();
        for server in lock(&resolver.servers).values() {
            lock(server).answer = Some((Instant::now(), vec![other]));
        }
        let again: Uri = "http://127.0.0.1:8080/b".parse().unwrap();
        assert_eq!(resolver.resolve(&again, &config, timeout()).unwrap().to_vec(), [other]);
        assert_ne!(first.to_vec(), [other]);
        // An old answer is not, nor is an earlier failure.
        for server in lock(&resolver.servers).values() {
            let mut server = lock(server);
            server.answer = Instant::now().checked_sub(KEPT).map(|at| (at, vec![other]));
            server.failed = Some(Instant::now());
        }
        assert_eq!(resolver.resolve(&uri, &config, timeout()).unwrap().to_vec(), first.to_vec());
    }
}
