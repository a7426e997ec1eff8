//! An index of Python packages made by a test: files by path, the pages of projects, in the variants met in practice.

use std::{collections::BTreeMap, sync::Arc};

use hpcl::hash::{Algorithm, Digest};

use super::{
    Run, TestEnvironment,
    http::{Answer, Asked, Server},
    packed::{tar_gz, zip_of},
};

/// The habits of an index.
#[derive(Clone, Copy, Default)]
pub struct Habits {
    /// Pages are JSON and not HTML.
    pub json: bool,
    /// Metadata lie beside wheels.
    pub separate_metadata: bool,
    /// Parts of files cannot be asked for.
    pub no_ranges: bool,
}

/// Files by path, and the files of each project.
#[derive(Clone, Default)]
pub struct Index {
    /// The files of each project, with their digests.
    pub pages: BTreeMap<String, Vec<(String, String)>>,
    files: BTreeMap<String, Vec<u8>>,
    metadata: BTreeMap<String, Vec<u8>>,
}

/// A backend that the sample of an index has.
pub const BACKEND: &str = "[build-system]\nrequires = ['backend>=1']\nbuild-backend = 'backend'\n";

impl Index {
    /// Adds a file.
    pub fn add(&mut self, project: &str, file: &str, content: Vec<u8>) {
        let hex = Digest::of(Algorithm::Sha256, &content).to_base16();
        self.pages.entry(project.to_owned()).or_default().push((file.to_owned(), hex));
        self.files.insert(file.to_owned(), content);
    }

    /// Adds a source distribution with those members.
    pub fn source_of(&mut self, project: &str, version: &str, members: &[(&str, &str)]) {
        let folder = format!("{project}-{version}");
        let members: Vec<(String, Vec<u8>)> = members
            .iter()
            .map(|(name, text)| (format!("{folder}/{name}"), text.as_bytes().to_vec()))
            .collect();
        self.add(project, &format!("{folder}.tar.gz"), tar_gz(&members));
    }

    /// Adds a wheel with those tags and metadata, and with further empty members.
    pub fn wheel_of(&mut self, project: &str, version: &str, tags: &str, metadata: &[u8], more: &[&str]) {
        let module = project.replace('-', "_");
        let mut members = vec![(format!("{module}-{version}.dist-info/METADATA"), metadata.to_vec())];
        members.extend(more.iter().map(|name| ((*name).to_owned(), Vec::new())));
        let file = format!("{module}-{version}-{tags}.whl");
        self.metadata.insert(file.clone(), metadata.to_vec());
        self.add(project, &file, zip_of(&members));
    }

    /// A project with a source distribution and a pure wheel.
    pub fn project(&mut self, project: &str, version: &str, requires: &[&str], pyproject: &str) {
        let metadata = metadata(project, version, requires);
        self.source_of(project, version, &[("PKG-INFO", &metadata), ("pyproject.toml", pyproject)]);
        self.wheel_of(project, version, "py3-none-any", metadata.as_bytes(), &[]);
    }

    /// Serves it.
    pub fn serve(self, habits: Habits) -> Server {
        let index = Arc::new(self);
        Server::start(move |asked| index.answer(asked, habits))
    }

    /// The answer to a request.
    pub fn answer(&self, asked: &Asked, habits: Habits) -> Answer {
        let page =
            asked.path.strip_prefix("/simple/").and_then(|rest| self.pages.get(rest.trim_end_matches('/')));
        if let Some(files) = page {
            return if habits.json { json(files) } else { html(files) };
        }
        let name = asked.path.rsplit('/').next().unwrap();
        if let Some(content) = name.strip_suffix(".metadata").and_then(|file| self.metadata.get(file)) {
            let kind = "application/octet-stream";
            return if habits.separate_metadata {
                Answer::ok(kind, content.clone())
            } else {
                Answer::status("404 Not Found")
            };
        }
        match self.files.get(name) {
            Some(content) if habits.no_ranges => Answer::ok("application/octet-stream", content.clone()),
            Some(content) => Answer::ok("application/octet-stream", content.clone()).ranged(asked),
            None => Answer::status("404 Not Found"),
        }
    }
}

fn html(files: &[(String, String)]) -> Answer {
    let links: String = files
        .iter()
        .map(|(name, hex)| format!("<a href=\"../../files/{name}#sha256={hex}\" data-upload-time=\"2024-05-01T00:00:00Z\">{name}</a><br>\n"))
        .collect();
    Answer::ok("text/html", format!("<!DOCTYPE html><html><body>\n{links}</body></html>"))
}

fn json(files: &[(String, String)]) -> Answer {
    let rows: Vec<String> = files
        .iter()
        .map(|(name, hex)| format!("{{\"filename\": \"{name}\", \"url\": \"/files/{name}\", \"hashes\": {{\"sha256\": \"{hex}\"}}}}"))
        .collect();
    let body = format!(
        "{{\"meta\": {{\"api-version\": \"1.0\"}}, \"name\": \"x\", \"files\": [{}]}}",
        rows.join(", ")
    );
    Answer::ok("application/vnd.pypi.simple.v1+json", body)
}

/// Metadata of a project.
pub fn metadata(project: &str, version: &str, requires: &[&str]) -> String {
    let requires: String = requires.iter().map(|text| format!("Requires-Dist: {text}\n")).collect();
    format!(
        "Metadata-Version: 2.2\nName: {project}\nVersion: {version}\nSummary: A thing for {project}s.\nLicense-Expression: MIT\n\
         Project-URL: Homepage, https://{project}.example\n{requires}Provides-Extra: more\n\nText.\n"
    )
}

/// Runs `hpcl import pypi` with that index.
pub fn import(environment: &TestEnvironment, server: &Server, arguments: &[&str]) -> Run {
    let mut command = environment.command(&["import", "pypi"]);
    command.args(arguments).env("PIP_INDEX_URL", format!("{}/simple", server.base));
    environment.finish(command)
}

/// The recipes of a file, without where their sources are.
pub fn recipes(environment: &TestEnvironment) -> String {
    std::fs::read_to_string(environment.home().join("r/own.hpcl")).unwrap()
}
