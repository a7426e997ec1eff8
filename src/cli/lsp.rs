//! `hpcl lsp`: the language server, over standard input and output.
//!
//! Texts are looked at when the client pauses or asks for something; each is then analysed anew, with the other open texts in
//! place of their files. Invariant: whatever a client sends, the server answers or ignores it; it writes nothing
//! but copies of the program's own library, in the cache, for the client to show.

mod convert;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use clap::Args;
use lsp_server::{Connection, Message, Notification, Request, Response};
use lsp_types::{
    CompletionItem, CompletionItemKind, CompletionOptions, CompletionTextEdit, Diagnostic,
    DiagnosticRelatedInformation, DiagnosticSeverity, DocumentSymbol, Documentation, Hover, HoverContents,
    HoverProviderCapability, InitializeParams, Location, MarkupContent, MarkupKind, NumberOrString, OneOf,
    PublishDiagnosticsParams, ServerCapabilities, SymbolKind, TextDocumentPositionParams,
    TextDocumentSyncCapability, TextDocumentSyncKind, TextEdit, Uri,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{Outcome, options::RecipeOptions};
use crate::{
    editor::{Analysis, CandidateKind, Formatted, OpenModules, Place, declared_module, format_text, outline},
    report::Failure,
};

/// How long the client pauses before a text is looked at.
const PAUSE: Duration = Duration::from_millis(150);

/// Arguments of `hpcl lsp`.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    recipes: RecipeOptions,
}

/// A text that is open in the editor.
struct Document {
    uri: Uri,
    text: String,
    version: i32,
    analysis: Option<Analysis>,
}

struct Server {
    directories: Vec<PathBuf>,
    documents: BTreeMap<PathBuf, Document>,
}

/// Serves until the client ends.
pub fn run(arguments: &Arguments) -> Outcome {
    let (connection, threads) = Connection::stdio();
    let failed =
        |error: &dyn std::fmt::Display| Failure::new(format!("the language server's client: {error}"));
    let capabilities = serde_json::to_value(capabilities()).map_err(|error| failed(&error))?;
    let parameters = connection.initialize(capabilities).map_err(|error| failed(&error))?;
    let _: InitializeParams = serde_json::from_value(parameters).map_err(|error| failed(&error))?;
    // A client may be somewhere else: names of files are whole.
    let whole = |path: PathBuf| path.canonicalize().unwrap_or(path);
    let channels = super::session::channels(&arguments.recipes)?;
    let directories = channels.directories().iter().cloned().map(whole).collect();
    let mut server = Server { directories, documents: BTreeMap::new() };
    server.serve(&connection).map_err(|error| failed(&error))?;
    drop(connection);
    threads.join()?;
    Ok(ExitCode::SUCCESS)
}

fn capabilities() -> ServerCapabilities {
    ServerCapabilities {
        text_document_sync: Some(TextDocumentSyncCapability::Kind(TextDocumentSyncKind::FULL)),
        hover_provider: Some(HoverProviderCapability::Simple(true)),
        definition_provider: Some(OneOf::Left(true)),
        completion_provider: Some(CompletionOptions {
            trigger_characters: Some(vec!["(".to_owned()]),
            ..CompletionOptions::default()
        }),
        document_symbol_provider: Some(OneOf::Left(true)),
        document_formatting_provider: Some(OneOf::Left(true)),
        ..ServerCapabilities::default()
    }
}

type Stop = Box<dyn std::error::Error + Send + Sync>;

impl Server {
    fn serve(&mut self, connection: &Connection) -> Result<(), Stop> {
        loop {
            let waiting = self.documents.values().any(|document| document.analysis.is_none());
            let message = if waiting {
                match connection.receiver.recv_timeout(PAUSE) {
                    Ok(message) => message,
                    Err(error) if error.is_timeout() => {
                        self.publish(connection)?;
                        continue;
                    }
                    Err(_) => return Ok(()),
                }
            } else {
                match connection.receiver.recv() {
                    Ok(message) => message,
                    Err(_) => return Ok(()),
                }
            };
            match message {
                Message::Request(request) => {
                    if connection.handle_shutdown(&request)? {
                        return Ok(());
                    }
                    let response = self.answer(request);
                    connection.sender.send(response.into())?;
                }
                Message::Notification(notification) => self.notice(connection, notification)?,
                Message::Response(_) => {}
            }
        }
    }

    fn notice(&mut self, connection: &Connection, notification: Notification) -> Result<(), Stop> {
        let parameters = &notification.params;
        let document = parameters.get("textDocument");
        let uri: Option<Uri> = document.and_then(|document| parse(document.get("uri")?));
        let version = document.and_then(|document| parse(document.get("version")?)).unwrap_or(0);
        let Some((uri, path)) =
            uri.and_then(|uri| Some((convert::path(&uri)?, uri))).map(|(path, uri)| (uri, path))
        else {
            return Ok(());
        };
        let text: Option<String> = match notification.method.as_str() {
            "textDocument/didOpen" => document.and_then(|document| parse(document.get("text")?)),
            "textDocument/didChange" => parameters
                .get("contentChanges")
                .and_then(Value::as_array)
                .and_then(|changes| parse(changes.last()?.get("text")?)),
            "textDocument/didClose" => {
                self.documents.remove(&path);
                return send(connection, &uri, Vec::new(), None);
            }
            _ => return Ok(()),
        };
        if let Some(text) = text {
            self.documents.insert(path, Document { uri, text, version, analysis: None });
            // What another open text means may depend on this one.
            self.documents.values_mut().for_each(|document| document.analysis = None);
        }
        Ok(())
    }

    /// Looks at the texts that changed and tells the client what is wrong in them.
    fn publish(&mut self, connection: &Connection) -> Result<(), Stop> {
        let paths: Vec<PathBuf> = self.documents.keys().cloned().collect();
        for path in paths {
            if self.documents.get(&path).is_none_or(|document| document.analysis.is_some()) {
                continue;
            }
            self.analyse(&path);
            if let Some(document) = self.documents.get(&path) {
                let found = diagnostics(&path, document);
                send(connection, &document.uri, found, Some(document.version))?;
            }
        }
        Ok(())
    }

    /// Looks at a text if that was not done since it changed.
    fn analyse(&mut self, path: &Path) -> Option<(&mut Analysis, &str)> {
        let others: OpenModules = self
            .documents
            .iter()
            .filter(|(other, _)| other.as_path() != path)
            .filter_map(|(other, document)| {
                let name: Arc<str> = other.display().to_string().into();
                Some((declared_module(&document.text)?, (name, document.text.as_str().into())))
            })
            .collect();
        let directories = &self.directories;
        let document = self.documents.get_mut(path)?;
        let text = document.text.as_str();
        let analysis =
            document.analysis.get_or_insert_with(|| Analysis::new(path, text, directories, others));
        Some((analysis, text))
    }

    fn answer(&mut self, request: Request) -> Response {
        let result = match request.method.as_str() {
            "textDocument/hover" => result(self.hover(&request.params)),
            "textDocument/definition" => result(self.definition(&request.params)),
            "textDocument/completion" => result(self.complete(&request.params)),
            "textDocument/documentSymbol" => result(self.symbols(&request.params)),
            "textDocument/formatting" => result(self.format(&request.params)),
            method => {
                let code = lsp_server::ErrorCode::MethodNotFound as i32;
                return Response::new_err(request.id, code, format!("`{method}` is not served"));
            }
        };
        Response::new_ok(request.id, result)
    }

    fn at(&mut self, parameters: &Value) -> Option<(&mut Analysis, &str, usize)> {
        let place: TextDocumentPositionParams = parse(parameters)?;
        let path = convert::path(&place.text_document.uri)?;
        let (analysis, text) = self.analyse(&path)?;
        let offset = convert::offset(text, place.position);
        Some((analysis, text, offset))
    }

    fn hover(&mut self, parameters: &Value) -> Option<Hover> {
        let (analysis, text, offset) = self.at(parameters)?;
        let (range, value) = analysis.hover(text, offset)?;
        let contents = HoverContents::Markup(MarkupContent { kind: MarkupKind::Markdown, value });
        Some(Hover { contents, range: Some(convert::range(text, range)) })
    }

    fn definition(&mut self, parameters: &Value) -> Option<Location> {
        let (analysis, text, offset) = self.at(parameters)?;
        let place = analysis.definition(text, offset)?;
        location(&place)
    }

    fn complete(&mut self, parameters: &Value) -> Option<Vec<CompletionItem>> {
        let (analysis, text, offset) = self.at(parameters)?;
        let (start, candidates) = analysis.complete(text, offset);
        let range = convert::range(text, (start, offset));
        let items = candidates.into_iter().map(|candidate| CompletionItem {
            label: candidate.label.clone(),
            kind: Some(match candidate.kind {
                CandidateKind::Field => CompletionItemKind::FIELD,
                CandidateKind::Variable => CompletionItemKind::VARIABLE,
                CandidateKind::Procedure => CompletionItemKind::FUNCTION,
                CandidateKind::Keyword => CompletionItemKind::KEYWORD,
                CandidateKind::Module => CompletionItemKind::MODULE,
                CandidateKind::Word => CompletionItemKind::TEXT,
            }),
            documentation: candidate.documentation.map(Documentation::String),
            text_edit: Some(CompletionTextEdit::Edit(TextEdit { range, new_text: candidate.label })),
            ..CompletionItem::default()
        });
        Some(items.collect())
    }

    fn document(&self, parameters: &Value) -> Option<(PathBuf, &Document)> {
        let uri: Uri = parse(parameters.get("textDocument")?.get("uri")?)?;
        let path = convert::path(&uri)?;
        let document = self.documents.get(&path)?;
        Some((path, document))
    }

    fn symbols(&self, parameters: &Value) -> Option<Vec<DocumentSymbol>> {
        let (_, document) = self.document(parameters)?;
        let symbols = outline(&document.text).into_iter().map(|found| {
            #[allow(deprecated, reason = "the structure has no other constructor")]
            DocumentSymbol {
                name: found.name,
                detail: found.detail.clone(),
                kind: match (found.detail, found.procedure) {
                    (Some(_), _) => SymbolKind::PACKAGE,
                    (None, true) => SymbolKind::FUNCTION,
                    (None, false) => SymbolKind::VARIABLE,
                },
                tags: None,
                deprecated: None,
                range: convert::range(&document.text, found.range),
                selection_range: convert::range(&document.text, found.selection),
                children: None,
            }
        });
        Some(symbols.collect())
    }

    fn format(&self, parameters: &Value) -> Option<Vec<TextEdit>> {
        let (path, document) = self.document(parameters)?;
        match format_text(&path.display().to_string(), &document.text, false) {
            Formatted::Changed(new_text) => {
                let range = convert::range(&document.text, (0, document.text.len()));
                Some(vec![TextEdit { range, new_text }])
            }
            Formatted::Same => Some(Vec::new()),
            Formatted::Unreadable(_) | Formatted::Refused(_) => None,
        }
    }
}

fn parse<T: DeserializeOwned>(value: &Value) -> Option<T> {
    T::deserialize(value).ok()
}

fn result(value: Option<impl Serialize>) -> Value {
    value.and_then(|value| serde_json::to_value(value).ok()).unwrap_or(Value::Null)
}

fn diagnostics(path: &Path, document: &Document) -> Vec<Diagnostic> {
    let problems = document.analysis.as_ref().map_or(&[][..], |analysis| &analysis.problems);
    let own: Arc<str> = path.display().to_string().into();
    problems
        .iter()
        .map(|problem| {
            let related = problem.related.iter().filter_map(|(place, message)| {
                let in_text = place.file == own;
                let location = if in_text {
                    Location { uri: document.uri.clone(), range: convert::range(&place.text, place.range) }
                } else {
                    location(place)?
                };
                Some(DiagnosticRelatedInformation { location, message: message.clone() })
            });
            Diagnostic {
                range: convert::range(&document.text, problem.range),
                severity: Some(DiagnosticSeverity::ERROR),
                code: Some(NumberOrString::String(problem.code.to_owned())),
                source: Some("hpcl".to_owned()),
                message: problem.message.clone(),
                related_information: Some(related.collect()),
                ..Diagnostic::default()
            }
        })
        .collect()
}

fn send(
    connection: &Connection,
    uri: &Uri,
    diagnostics: Vec<Diagnostic>,
    version: Option<i32>,
) -> Result<(), Stop> {
    let parameters = PublishDiagnosticsParams { uri: uri.clone(), diagnostics, version };
    let message = Notification::new("textDocument/publishDiagnostics".to_owned(), parameters);
    connection.sender.send(message.into())?;
    Ok(())
}

fn location(place: &Place) -> Option<Location> {
    let path = Path::new(place.file.as_ref());
    let real = path.canonicalize().ok().filter(|_| path.is_absolute());
    let file = real.or_else(|| library_file(&place.file, &place.text))?;
    Some(Location { uri: convert::uri(&file)?, range: convert::range(&place.text, place.range) })
}

/// Writes a text of the program's own library into the cache, so that the client can show it.
pub(super) fn library_file(name: &str, text: &str) -> Option<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")))?;
    let digest = crate::hash::Digest::sha256(text.as_bytes()).to_base32();
    let relative = name.trim_start_matches(['<', '/']).replace(['<', '>'], "").replace("..", "");
    let path = cache.join("hpcl/library").join(digest.get(..8)?).join(relative);
    if std::fs::read_to_string(&path).is_ok_and(|there| there == text) {
        return Some(path);
    }
    std::fs::create_dir_all(path.parent()?).ok()?;
    std::fs::write(&path, text).ok()?;
    Some(path)
}
