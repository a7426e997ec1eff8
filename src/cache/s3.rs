//! A cache in a bucket of an S3-compatible object store: `s3://BUCKET[/PREFIX][?endpoint=URL&region=NAME&profile=NAME]`.
//!
//! What the address does not say is looked for in the settings (`[s3]`), in the variables that such stores' tools read (`AWS_ENDPOINT_URL`,
//! `AWS_REGION`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`), and in their files (`~/.aws/credentials` and
//! `~/.aws/config`, profile `AWS_PROFILE` or `default`). Without credentials a bucket is read as anybody reads it.
//!
//! The protocol is the crate `object_store`'s; its requests go through the same HTTP client as all others ([`s3_http`](super::s3_http)).

use std::{
    collections::BTreeMap,
    fs::File,
    future::Future,
    io::{Read, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use object_store::{
    ClientOptions, Error, ObjectStore, ObjectStoreExt, PutPayload, RetryConfig,
    aws::{AmazonS3, AmazonS3Builder},
    path::Path as Key,
};

use super::{CacheError, place::Place, s3_http::UreqConnector};
use crate::fetch::{Fetcher, ObjectStorage, Settings};

/// What is read or sent at once; also the size above which a file is sent in parts.
const PART: u64 = 8 << 20;

/// A bucket, or a part of one.
#[derive(Debug)]
pub(super) struct S3Place {
    url: String,
    store: AmazonS3,
    prefix: String,
}

impl S3Place {
    /// The place of an address that begins with `s3://`.
    pub(super) fn open(address: &str, fetcher: &Fetcher) -> Result<S3Place, CacheError> {
        let failed = |reason: String| CacheError::ObjectStore { url: address.to_owned(), reason };
        let rest = address.strip_prefix("s3://").unwrap_or(address);
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
        let settings = Settings::load().map_err(|error| failed(error.to_string()))?.s3;
        let wanted = parse_query(query, settings).map_err(failed)?;
        let mut builder = AmazonS3Builder::from_env()
            .with_bucket_name(bucket)
            .with_http_connector(UreqConnector::new(fetcher))
            // The client's own patience holds for the network.
            .with_client_options(ClientOptions::new().with_allow_http(true).with_timeout_disabled())
            .with_retry(RetryConfig {
                max_retries: 3,
                retry_timeout: Duration::from_secs(60),
                ..RetryConfig::default()
            });
        let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let profile =
            wanted.profile.clone().or_else(|| set("AWS_PROFILE")).unwrap_or_else(|| "default".into());
        let files = read_profile(&profile);
        let from_files = |name: &str| files.get(name).cloned();
        // A profile that is asked for by name goes before the environment.
        let named = wanted.profile.is_some();
        let key = if named { None } else { set("AWS_ACCESS_KEY_ID") };
        if key.is_none() {
            match (from_files("aws_access_key_id"), from_files("aws_secret_access_key")) {
                (Some(id), Some(secret)) => {
                    builder = builder.with_access_key_id(id).with_secret_access_key(secret);
                    if let Some(token) = from_files("aws_session_token") {
                        builder = builder.with_token(token);
                    }
                }
                _ if named => {
                    return Err(failed(format!(
                        "there are no credentials of profile `{profile}` in `~/.aws/credentials`"
                    )));
                }
                _ => builder = builder.with_skip_signature(true),
            }
        }
        let region = wanted.region.or_else(|| set("AWS_REGION")).or_else(|| set("AWS_DEFAULT_REGION"));
        if let Some(region) = region.or_else(|| from_files("region")) {
            builder = builder.with_region(region);
        }
        let endpoint =
            wanted.endpoint.or_else(|| set("AWS_ENDPOINT_URL_S3")).or_else(|| set("AWS_ENDPOINT_URL"));
        if let Some(endpoint) = endpoint.or_else(|| from_files("endpoint_url")) {
            builder = builder.with_endpoint(endpoint);
        }
        let store = builder.build().map_err(|error| failed(error.to_string()))?;
        Ok(S3Place { url: address.to_owned(), store, prefix: prefix.trim_end_matches('/').to_owned() })
    }

    fn key(&self, name: &str) -> Key {
        Key::from(if self.prefix.is_empty() { name.to_owned() } else { format!("{}/{name}", self.prefix) })
    }

    fn failed(&self, error: &dyn std::error::Error) -> CacheError {
        let mut reason = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            // Its errors mostly repeat their causes.
            let text = error.to_string();
            if !reason.contains(&text) {
                reason = format!("{reason}: {text}");
            }
            cause = error.source();
        }
        CacheError::ObjectStore { url: self.url.clone(), reason }
    }

    /// Waits for a request; nothing when there is no such object.
    fn wait<T>(
        &self,
        request: impl Future<Output = object_store::Result<T>>,
    ) -> Result<Option<T>, CacheError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        match runtime.map_err(|error| self.failed(&error))?.block_on(request) {
            Ok(answer) => Ok(Some(answer)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failed(&error)),
        }
    }

    fn put(&self, file: &Path, name: &str) -> Result<(), CacheError> {
        let error = || CacheError::file("read", file);
        let mut open = File::open(file).map_err(error())?;
        let mut next = || -> Result<Vec<u8>, CacheError> {
            let mut part = Vec::new();
            Read::by_ref(&mut open).take(PART).read_to_end(&mut part).map_err(error())?;
            Ok(part)
        };
        let key = self.key(name);
        let size = file.metadata().map_err(error())?.len();
        let no_bucket = || self.failed(&std::io::Error::other("there is no such bucket"));
        if size <= PART {
            let payload = PutPayload::from(next()?);
            return self.wait(self.store.put(&key, payload))?.map(drop).ok_or_else(no_bucket);
        }
        let mut upload = self.wait(self.store.put_multipart(&key))?.ok_or_else(no_bucket)?;
        let mut send = || -> Result<(), CacheError> {
            loop {
                let part = next()?;
                if part.is_empty() {
                    return self.wait(upload.complete())?.map(drop).ok_or_else(no_bucket);
                }
                self.wait(upload.put_part(PutPayload::from(part)))?.ok_or_else(no_bucket)?;
            }
        };
        let sent = send();
        if sent.is_err() {
            // Parts of an upload that is never completed cost their owner.
            let _ = self.wait(upload.abort());
        }
        sent
    }
}

impl Place for S3Place {
    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, CacheError> {
        let key = self.key(name);
        let found = self.wait(async { self.store.get(&key).await?.bytes().await })?;
        Ok(found.map(|bytes| bytes.to_vec()))
    }

    fn fetch(&self, name: &str, to: &mut dyn Write) -> Result<(), CacheError> {
        let key = self.key(name);
        let gone = || self.failed(&std::io::Error::other(format!("there is no `{name}`")));
        let size = self.wait(self.store.head(&key))?.ok_or_else(gone)?.size;
        let mut start = 0;
        while start < size {
            let end = size.min(start + PART);
            let part = self.wait(self.store.get_range(&key, start..end))?.ok_or_else(gone)?;
            to.write_all(&part).map_err(CacheError::file("write", Path::new(name)))?;
            start = end;
        }
        Ok(())
    }

    fn list(&self) -> Result<Vec<String>, CacheError> {
        let prefix = (!self.prefix.is_empty()).then(|| Key::from(self.prefix.as_str()));
        let found = self.wait(self.store.list_with_delimiter(prefix.as_ref()))?;
        let objects = found.map(|found| found.objects).unwrap_or_default();
        let names = objects.iter().filter_map(|object| object.location.filename().map(str::to_owned));
        Ok(names.filter(|name| name.ends_with(".narinfo")).collect())
    }

    fn write(&self, directory: &Path, names: &[String]) -> Result<(), CacheError> {
        names.iter().try_for_each(|name| self.put(&directory.join(name), name))
    }
}

/// What the address says goes before the settings.
fn parse_query(query: &str, mut settings: ObjectStorage) -> Result<ObjectStorage, String> {
    for part in query.split('&').filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let value = Some(value.replace("%3A", ":").replace("%2F", "/")).filter(|value| !value.is_empty());
        match name {
            "endpoint" => {
                settings.endpoint =
                    value.map(|value| if value.contains("://") { value } else { format!("https://{value}") })
            }
            "region" => settings.region = value,
            "profile" => settings.profile = value,
            _ => return Err(format!("`{name}` is none of `endpoint`, `region` and `profile`")),
        }
    }
    Ok(settings)
}

/// What the tools' files say of a profile; what cannot be read says nothing.
fn read_profile(profile: &str) -> BTreeMap<String, String> {
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let place = |variable: &str, file: &str| {
        std::env::var_os(variable).map_or_else(|| home.join(".aws").join(file), PathBuf::from)
    };
    let mut found = BTreeMap::new();
    for (file, section) in [
        (place("AWS_CONFIG_FILE", "config"), format!("profile {profile}")),
        (place("AWS_SHARED_CREDENTIALS_FILE", "credentials"), profile.to_owned()),
    ] {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        found.extend(section_of(&text, &[&section, profile]));
    }
    found
}

/// The pairs of a section of an INI file.
fn section_of(text: &str, names: &[&str]) -> BTreeMap<String, String> {
    let mut inside = false;
    let mut found = BTreeMap::new();
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            inside = names.contains(&name.trim());
        } else if inside
            && !line.starts_with(['#', ';'])
            && let Some((name, value)) = line.split_once('=')
        {
            found.insert(name.trim().to_owned(), value.trim().to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_files_say_where_and_who() {
        let settings = ObjectStorage { region: Some("here".into()), ..ObjectStorage::default() };
        let found = parse_query("endpoint=http%3A%2F%2Flocalhost:9000&profile=me", settings.clone()).unwrap();
        assert_eq!(found.endpoint.as_deref(), Some("http://localhost:9000"));
        assert_eq!((found.region.as_deref(), found.profile.as_deref()), (Some("here"), Some("me")));
        assert_eq!(
            parse_query("endpoint=s3.site", settings.clone()).unwrap().endpoint.as_deref(),
            Some("https://s3.site")
        );
        assert!(parse_query("regoin=x", settings).is_err());
        let text =
            "[default]\naws_access_key_id = A\n[profile me]\n; x = y\nregion=there\n[other]\nregion = z\n";
        assert_eq!(
            section_of(text, &["profile me", "me"]),
            [("region".to_owned(), "there".to_owned())].into()
        );
    }
}
