//! Ports: where text is read from and written to.
//!
//! A [`Port`] is a value of the host's: a file, a string, a pipe to a program, or one of the three standard streams.
//! Nothing is kept back in a buffer of ours when a program starts: standard streams are written at once and file ports
//! are flushed by the caller, so that output appears in order.

use std::{
    any::Any,
    cell::RefCell,
    fs::File,
    io::{self, BufWriter, Read, Write},
    process::Child,
};

use hpcl_lang::{
    native::{Raise, wrong_type},
    value::{Foreign, Value},
};

/// A port.
pub struct Port {
    /// The file's name, or what it is.
    pub name: String,
    /// What is behind it.
    pub state: RefCell<State>,
}

/// What is behind a port.
pub enum State {
    /// It was closed.
    Closed,
    /// It is read from.
    Input(Input),
    /// It is written to.
    Output(Output),
}

/// The reading side: a source and what was read ahead.
pub struct Input {
    source: Box<dyn Read>,
    ahead: Vec<u8>,
    position: usize,
    /// The file, when it is one.
    pub file: Option<File>,
    /// The program at the other end of a pipe.
    pub child: Option<Child>,
}

/// The writing side.
pub enum Output {
    /// Standard output.
    Standard,
    /// Standard error.
    Error,
    /// A file.
    File(BufWriter<File>),
    /// A string that grows.
    Text(Vec<u8>),
    /// Nowhere.
    Void,
    /// The program at the other end of a pipe.
    Pipe(Child),
}

impl Foreign for Port {
    fn describe(&self) -> String {
        let direction = match &*self.state.borrow() {
            State::Closed => "closed",
            State::Input(_) => "input",
            State::Output(_) => "output",
        };
        format!("#<{direction} port {}>", self.name)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Port {
    /// Returns an output port.
    pub fn output(name: impl Into<String>, output: Output) -> Value {
        Value::foreign(Port { name: name.into(), state: RefCell::new(State::Output(output)) })
    }

    /// Returns an input port.
    pub fn input(name: impl Into<String>, input: Input) -> Value {
        Value::foreign(Port { name: name.into(), state: RefCell::new(State::Input(input)) })
    }

    /// Writes bytes.
    ///
    /// # Errors
    /// When it is closed, is not for writing, or the system refuses.
    pub fn write(&self, bytes: &[u8]) -> io::Result<()> {
        match &mut *self.state.borrow_mut() {
            State::Output(output) => output.write_all(bytes),
            State::Input(_) => Err(io::Error::other("the port is for reading")),
            State::Closed => Err(io::Error::other("the port is closed")),
        }
    }

    /// Reads through the reading side.
    ///
    /// # Errors
    /// When it is closed, is not for reading, or the system refuses.
    pub fn read<T>(&self, read: impl FnOnce(&mut Input) -> io::Result<T>) -> io::Result<T> {
        match &mut *self.state.borrow_mut() {
            State::Input(input) => read(input),
            State::Output(_) => Err(io::Error::other("the port is for writing")),
            State::Closed => Err(io::Error::other("the port is closed")),
        }
    }

    /// Writes out what a buffer holds.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn flush(&self) -> io::Result<()> {
        match &mut *self.state.borrow_mut() {
            State::Output(Output::File(file)) => file.flush(),
            _ => Ok(()),
        }
    }

    /// Closes it; returns the status of the program at the other end, if there is one.
    ///
    /// # Errors
    /// When the last bytes cannot be written.
    pub fn close(&self) -> io::Result<Option<i32>> {
        use std::os::unix::process::ExitStatusExt;
        let state = self.state.replace(State::Closed);
        let child = match state {
            State::Output(Output::File(mut file)) => {
                file.flush()?;
                None
            }
            State::Output(Output::Pipe(mut child)) => {
                drop(child.stdin.take());
                Some(child)
            }
            State::Input(Input { child, source, .. }) => {
                drop(source);
                child
            }
            _ => None,
        };
        child.map(|mut child| child.wait().map(ExitStatusExt::into_raw)).transpose()
    }
}

impl Output {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Output::Standard => {
                let mut out = io::stdout().lock();
                out.write_all(bytes)?;
                out.flush()
            }
            Output::Error => io::stderr().lock().write_all(bytes),
            Output::File(file) => file.write_all(bytes),
            Output::Text(text) => {
                text.extend_from_slice(bytes);
                Ok(())
            }
            Output::Void => Ok(()),
            Output::Pipe(child) => child
                .stdin
                .as_mut()
                .map_or(Ok(()), |stdin| stdin.write_all(bytes).and_then(|()| stdin.flush())),
        }
    }
}

impl Input {
    /// Returns the reading side of any source.
    pub fn new(source: impl Read + 'static) -> Input {
        Input { source: Box::new(source), ahead: Vec::new(), position: 0, file: None, child: None }
    }

    /// Returns what was read ahead and not yet used, after making sure that it has a byte unless at the end.
    fn ahead(&mut self) -> io::Result<&[u8]> {
        if self.position >= self.ahead.len() {
            self.ahead.clear();
            self.position = 0;
            self.fill()?;
        }
        Ok(self.ahead.get(self.position..).unwrap_or_default())
    }

    /// Reads more; returns whether there was any.
    fn fill(&mut self) -> io::Result<bool> {
        let mut chunk = [0; 8192];
        loop {
            match self.source.read(&mut chunk) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
                Ok(count) => {
                    self.ahead.extend_from_slice(chunk.get(..count).unwrap_or_default());
                    return Ok(count > 0);
                }
            }
        }
    }

    /// Returns the next byte without using it up.
    pub fn peek_byte(&mut self) -> io::Result<Option<u8>> {
        Ok(self.ahead()?.first().copied())
    }

    /// Returns the bytes of the next character: one, unless a longer UTF-8 sequence begins here.
    pub fn peek_character(&mut self) -> io::Result<Vec<u8>> {
        let Some(first) = self.peek_byte()? else { return Ok(Vec::new()) };
        let wanted = match first {
            0xC2..=0xDF => 2,
            0xE0..=0xEF => 3,
            0xF0..=0xF4 => 4,
            _ => 1,
        };
        while self.ahead.len() - self.position < wanted && self.fill()? {}
        let here = self.ahead.get(self.position..).unwrap_or_default();
        let sequence = here.get(..wanted).filter(|bytes| std::str::from_utf8(bytes).is_ok());
        Ok(sequence.map_or_else(|| vec![first], <[u8]>::to_vec))
    }

    /// Uses up bytes that were peeked at.
    pub fn skip(&mut self, count: usize) {
        self.position += count;
    }

    /// Returns up to `count` bytes; none at the end.
    pub fn take(&mut self, count: usize) -> io::Result<Vec<u8>> {
        while self.ahead.len() - self.position < count && self.fill()? {}
        let end = self.ahead.len().min(self.position + count);
        let bytes = self.ahead.get(self.position..end).unwrap_or_default().to_vec();
        self.position = end;
        Ok(bytes)
    }

    /// Returns all that is left.
    pub fn take_all(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = self.ahead.split_off(self.position.min(self.ahead.len()));
        self.ahead.clear();
        self.position = 0;
        self.source.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Returns the next line with its end, if it has one; `None` at the end.
    pub fn take_line(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut searched = 0;
        loop {
            let here = self.ahead.get(self.position..).unwrap_or_default();
            if let Some(end) = memchr::memchr(b'\n', here.get(searched..).unwrap_or_default()) {
                return self.take(searched + end + 1).map(Some);
            }
            searched = here.len();
            if !self.fill()? {
                let rest = self.take(searched)?;
                return Ok((!rest.is_empty()).then_some(rest));
            }
        }
    }
}

impl Input {
    /// Puts bytes back, to be read next.
    pub fn put_back(&mut self, bytes: &[u8]) {
        let rest = self.ahead.split_off(self.position.min(self.ahead.len()));
        self.ahead = [bytes, &rest].concat();
        self.position = 0;
    }
}

/// Returns the port at a position (from 0).
///
/// # Errors
/// When there is none.
pub fn expect_port<'a>(
    procedure: &'static str,
    arguments: &'a [Value],
    index: usize,
) -> Result<&'a Port, Raise> {
    let actual = arguments.get(index).unwrap_or(&Value::Absent);
    actual.as_foreign().ok_or_else(|| wrong_type(procedure, index, "a port", actual))
}

/// Writes a message of the builder's own to standard error.
pub fn complain(message: &str) {
    // nothing can be done about a log that cannot be written to
    let _ = io::stderr().lock().write_all(&super::bytes::encode(message));
}

/// Writes a line of the builder's own to standard output.
pub fn announce(message: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(message.as_bytes()).and_then(|()| out.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_characters_and_the_rest() {
        let mut input = Input::new(io::Cursor::new(b"one\ntwo\xC3\xA9\xFFx\nend".to_vec()));
        assert_eq!(input.take_line().unwrap().unwrap(), b"one\n");
        assert_eq!(input.take(3).unwrap(), b"two");
        assert_eq!(input.peek_character().unwrap(), "é".as_bytes());
        input.skip(2);
        assert_eq!(input.peek_character().unwrap(), b"\xFF");
        assert_eq!(input.take_line().unwrap().unwrap(), b"\xFFx\n");
        assert_eq!(input.take_line().unwrap().unwrap(), b"end");
        assert_eq!(input.take_line().unwrap(), None);
        assert_eq!(input.take_all().unwrap(), b"");
    }

    #[test]
    fn a_closed_port_refuses() {
        let port = Port::output("text", Output::Text(Vec::new()));
        let port: &Port = port.as_foreign().unwrap();
        port.write(b"abc").unwrap();
        assert_eq!(port.close().unwrap(), None);
        assert!(port.write(b"abc").is_err());
        assert_eq!(port.describe(), "#<closed port text>");
    }
}
