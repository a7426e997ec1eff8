//! `hpcl lsp` with a scripted client: the real program, spoken to as an editor does.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

mod common;

use std::{
    io::{BufRead, BufReader, Read, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Stdio},
};

use common::TestEnvironment;
use serde_json::{Value, json};

/// An editor.
struct Client {
    environment: TestEnvironment,
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    requests: i64,
    versions: i64,
}

impl Client {
    fn new(environment: TestEnvironment, arguments: &[&str]) -> Self {
        let mut child = environment
            .command(&[&["lsp"], arguments].concat())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut client = Client { environment, child, input, output, requests: 0, versions: 0 };
        let answer = client.ask("initialize", json!({ "capabilities": {}, "processId": null }));
        assert_eq!(answer["capabilities"]["documentFormattingProvider"], true, "{answer}");
        client.tell("initialized", json!({}));
        client
    }

    fn send(&mut self, message: &Value) {
        let text = message.to_string();
        let input = self.input.as_mut().unwrap();
        write!(input, "Content-Length: {}\r\n\r\n{text}", text.len()).unwrap();
        input.flush().unwrap();
    }

    fn receive(&mut self) -> Value {
        let mut length = 0;
        loop {
            let mut line = String::new();
            assert!(self.output.read_line(&mut line).unwrap() > 0, "the server ended");
            match line.trim_end().strip_prefix("Content-Length: ") {
                Some(digits) => length = digits.parse().unwrap(),
                None if line.trim_end().is_empty() => break,
                None => {}
            }
        }
        let mut bytes = vec![0; length];
        self.output.read_exact(&mut bytes).unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }

    fn tell(&mut self, method: &str, parameters: Value) {
        self.send(&json!({ "jsonrpc": "2.0", "method": method, "params": parameters }));
    }

    fn ask(&mut self, method: &str, parameters: Value) -> Value {
        self.requests += 1;
        let id = self.requests;
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": parameters }));
        loop {
            let message = self.receive();
            if message["id"] == id {
                assert!(message.get("error").is_none(), "{message}");
                return message["result"].clone();
            }
        }
    }

    fn uri(&self, file: &str) -> String {
        format!("file://{}", self.environment.home().join(file).display())
    }

    /// Opens a text, or changes it, and returns what the server says is wrong in it.
    fn write(&mut self, file: &str, text: &str) -> Vec<Value> {
        self.versions += 1;
        let (uri, version) = (self.uri(file), self.versions);
        if version == 1 || !self.environment.home().join(format!("{file}.open")).exists() {
            self.environment.write(&format!("{file}.open"), "");
            let document = json!({ "uri": uri, "languageId": "scheme", "version": version, "text": text });
            self.tell("textDocument/didOpen", json!({ "textDocument": document }));
        } else {
            let document = json!({ "uri": uri, "version": version });
            let changes = json!([{ "text": text }]);
            self.tell(
                "textDocument/didChange",
                json!({ "textDocument": document, "contentChanges": changes }),
            );
        }
        loop {
            let message = self.receive();
            let parameters = &message["params"];
            if message["method"] == "textDocument/publishDiagnostics"
                && parameters["uri"] == uri.as_str()
                && parameters["version"] == version
            {
                return parameters["diagnostics"].as_array().unwrap().clone();
            }
        }
    }

    /// Asks about the place of the first `|` in a text, which is taken out.
    fn ask_at(&mut self, method: &str, file: &str, marked: &str) -> Value {
        let at = marked.find('|').unwrap();
        let (before, after) = (&marked[..at], &marked[at + 1..]);
        self.write(file, &format!("{before}{after}"));
        let line = before.matches('\n').count();
        let character = before.rsplit('\n').next().unwrap().encode_utf16().count();
        let place = json!({ "textDocument": { "uri": self.uri(file) }, "position": { "line": line, "character": character } });
        self.ask(method, place)
    }

    fn finish(mut self) {
        self.ask("shutdown", Value::Null);
        self.tell("exit", Value::Null);
        drop(self.input.take());
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn codes(diagnostics: &[Value]) -> Vec<&str> {
    diagnostics.iter().map(|diagnostic| diagnostic["code"].as_str().unwrap()).collect()
}

fn labels(items: &Value) -> Vec<&str> {
    items.as_array().unwrap().iter().map(|item| item["label"].as_str().unwrap()).collect()
}

const HEADER: &str = "(define-module (my tools)\n  #:use-module (guix packages)\n  #:use-module (guix gexp)\n  \
     #:use-module (guix build-system trivial))\n\n";

fn package(fields: &str) -> String {
    format!(
        "{HEADER}(define-public tool\n  (package\n    (name \"tool\")\n    {fields}\n    (source #f)\n    \
         (build-system trivial-build-system)\n    (arguments (list #:builder #~(mkdir #$output)))\n    \
         (synopsis \"Tool of mine\")\n    (description \"It works.\")\n    (home-page #f)\n    (license #f)))\n"
    )
}

#[test]
fn everything_wrong_is_shown_as_it_is_typed() {
    let mut client = Client::new(TestEnvironment::new(), &[]);
    assert_eq!(codes(&client.write("my/tools.hpcl", &package("(version \"1\")"))), [""; 0]);
    // Syntax errors, all of them.
    let found = client.write("my/tools.hpcl", "(define a (list 1 2]\n(define b #\\nope)\n");
    assert_eq!(codes(&found), ["E0102", "E0104", "E0111"]);
    // Several names and fields at once, each at its place.
    let text = package("(verison \"1\")\n    (inputs (list zlibb cmake-build-system))");
    let found = client.write("my/tools.hpcl", &text);
    assert_eq!(codes(&found), ["E0321", "E0320", "E0330", "E0330"], "{found:?}");
    let field = found.iter().find(|found| found["code"] == "E0320").unwrap();
    assert_eq!(
        field["range"],
        json!({ "start": { "line": 8, "character": 5 }, "end": { "line": 8, "character": 12 } })
    );
    assert!(field["message"].as_str().unwrap().contains("did you mean `version`?"), "{field}");
    let unbound = found.last().unwrap()["message"].as_str().unwrap();
    assert!(
        unbound.contains(
            "`cmake-build-system` is exported by `(guix build-system cmake)`; add it to `#:use-module`"
        ),
        "{unbound}"
    );
    // Found only by evaluating.
    let found = client.write("my/tools.hpcl", &package("(version 1.0)"));
    assert_eq!(codes(&found), ["E0420"]);
    // A loop without end does not hold the server up.
    assert_eq!(codes(&client.write("my/tools.hpcl", "(let loop () (loop))\n")), [""; 0]);
    let found = client.write("my/tools.hpcl", "(define a 1)\n(define a 2)\n");
    assert_eq!(codes(&found), ["E0312"]);
    let related = found[0]["relatedInformation"][0].clone();
    assert_eq!(
        (&related["message"], &related["location"]["range"]["start"]["line"]),
        (&json!("first defined here"), &json!(0))
    );
    client.finish();
}

#[test]
fn what_is_said_of_names_and_fields() {
    let mut client = Client::new(TestEnvironment::new(), &[]);
    let mut said = |text: &str| {
        let hover = client.ask_at("textDocument/hover", "my/tools.hpcl", text);
        hover["contents"]["value"].as_str().unwrap_or("").to_owned()
    };
    assert!(said("(use-modules (core perl))\n(list per|l)\n").contains("**package** `perl` 5.36"));
    let native = said("(string-len|gth \"a\")\n");
    assert!(native.starts_with("```scheme\n(string-length …)") && native.contains("\n⇒ "), "{native}");
    assert!(
        said("(define (twice x)\n  \"Doubles X.\"\n  (* 2 x))\n(twi|ce 1)\n")
            .contains("(define (twice x) …)\n```\nDoubles X.")
    );
    assert!(said(&package("(ver|sion \"1\")")).contains("field `version` of `package`"));
    assert!(
        said("(use-modules (guix packages))\n(package-full|-name #f)\n").contains("Returns NAME@VERSION")
    );
    assert!(said("(let ((x 1)) x|)\n").contains("a local variable"));
    assert!(
        said("(fil|ter odd? (list 1))\n").contains("(define (filter "),
        "the prelude's: {}",
        said("(fil|ter odd? (list 1))\n")
    );
    assert_eq!(said("(quote |5)\n"), "");
    client.finish();
}

#[test]
fn definitions_are_found_across_channels_and_open_texts() {
    let environment = TestEnvironment::new();
    environment.write("other/their/lib.hpcl", "(define-module (their lib))\n\n(define-public helper 1)\n(define-syntax-rule (both a) a)\n(export both)\n");
    let mut client = Client::new(environment, &["-L", "other"]);
    let start = "(define-module (my tools)\n  #:use-module (guix packages)\n  #:use-module (their lib))\n";
    let mut goes = |text: &str| {
        let place = client.ask_at("textDocument/definition", "my/tools.hpcl", &format!("{start}{text}"));
        let file = place["uri"].as_str().unwrap_or("").strip_prefix("file://").unwrap_or("").to_owned();
        (file, place["range"]["start"]["line"].as_u64().unwrap_or(99))
    };
    let (file, line) = goes("(define a he|lper)\n");
    assert!(file.ends_with("/other/their/lib.hpcl") && line == 2, "{file}:{line}");
    let (file, line) = goes("(define a (bo|th 1))\n");
    assert!(file.ends_with("/other/their/lib.hpcl") && line == 3, "a macro: {file}:{line}");
    let (file, line) = goes("(define mine 1)\n(define a mi|ne)\n");
    assert!(file.ends_with("/my/tools.hpcl") && line == 3, "{file}:{line}");
    let (file, line) = goes("(define (f x #:key y)\n  (let ((z 1))\n    (list z| x)))\n");
    assert!(file.ends_with("/my/tools.hpcl") && line == 4, "a local variable: {file}:{line}");
    let (file, _) = goes("(define a pack|age-name)\n");
    assert!(file.ends_with(".hpcl") && Path::new(&file).is_file(), "the library: {file}");
    assert!(std::fs::read_to_string(&file).unwrap().contains("package-name"));
    // A text that is open stands for its file.
    client.write("other/their/lib.hpcl", "(define-module (their lib))\n\n\n\n(define-public fresh 1)\n");
    let place =
        client.ask_at("textDocument/definition", "my/tools.hpcl", &format!("{start}(define a fre|sh)\n"));
    assert_eq!(place["range"]["start"], json!({ "line": 4, "character": 15 }), "{place}");
    client.finish();
}

#[test]
fn fields_names_and_modules_are_completed() {
    let mut client = Client::new(TestEnvironment::new(), &[]);
    let mut completed = |text: &str| {
        let items = client.ask_at("textDocument/completion", "my/tools.hpcl", text);
        labels(&items).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    // In a form that is not closed, below one that is complete.
    let fields = completed(&format!("{HEADER}(define-public tool\n  (package\n    (name \"a\")\n    (|"));
    assert!(
        fields.contains(&"native-inputs".to_owned()) && fields.contains(&"inherit".to_owned()),
        "{fields:?}"
    );
    assert!(!fields.contains(&"name".to_owned()), "it is given already: {fields:?}");
    assert_eq!(completed(&format!("{HEADER}(define a (origin (sh|))\n")), ["sha256"]);
    let names =
        completed(&format!("{HEADER}(define-public tool-one 1)\n(define a (list trivial-b| tool))\n"));
    assert_eq!(names, ["trivial-build-system"]);
    let own = completed(&format!("{HEADER}(define-public tool-one 1)\n(define a (too|))\n"));
    assert_eq!(own, ["tool-one"]);
    let prefixed = completed("(use-modules ((guix licenses) #:prefix license:))\n(list license:gpl3|)\n");
    assert_eq!(prefixed, ["license:gpl3", "license:gpl3+"]);
    let locals = completed("(define (f argument)\n  (list argu|))\n");
    assert_eq!(locals, ["argument"]);
    let modules = completed("(use-modules (guix build-system c|))\n");
    assert!(modules.contains(&"cmake".to_owned()), "{modules:?}");
    client.finish();
}

#[test]
fn texts_are_outlined_and_formatted() {
    let mut client = Client::new(TestEnvironment::new(), &[]);
    let text = "(define (f x)\nx)\n(define-public tool\n(package (name \"tool\")\n(version \"1\")))\n";
    client.write("a.hpcl", text);
    let document = json!({ "textDocument": { "uri": client.uri("a.hpcl") } });
    let symbols = client.ask("textDocument/documentSymbol", document);
    let shown: Vec<_> =
        symbols.as_array().unwrap().iter().map(|s| (&s["name"], &s["detail"], &s["kind"])).collect();
    assert_eq!(
        shown,
        [(&json!("f"), &Value::Null, &json!(12)), (&json!("tool"), &json!("tool 1"), &json!(4))]
    );
    let options = json!({ "textDocument": { "uri": client.uri("a.hpcl") }, "options": { "tabSize": 8, "insertSpaces": true } });
    let edits = client.ask("textDocument/formatting", options.clone());
    assert_eq!(
        edits[0]["newText"],
        "(define (f x)\n  x)\n(define-public tool\n  (package\n    (name \"tool\")\n    (version \"1\")))\n"
    );
    client.write("a.hpcl", "(define a");
    assert_eq!(client.ask("textDocument/formatting", options), Value::Null, "what cannot be read stays");
    client.finish();
}

#[test]
fn odd_messages_do_no_harm() {
    let mut client = Client::new(TestEnvironment::new(), &[]);
    client.tell("textDocument/didChange", json!({ "nonsense": 1 }));
    client.tell("textDocument/didOpen", json!({ "textDocument": { "uri": "untitled:1", "text": 5 } }));
    client.send(&json!({ "jsonrpc": "2.0", "id": 900, "method": "workspace/nonsense", "params": {} }));
    let answer = client.receive();
    assert_eq!((&answer["id"], answer["error"]["code"].as_i64()), (&json!(900), Some(-32601)));
    let place = json!({ "textDocument": { "uri": "file:///nowhere.hpcl" }, "position": { "line": 9, "character": 9 } });
    assert_eq!(client.ask("textDocument/hover", place), Value::Null);
    client.finish();
}
