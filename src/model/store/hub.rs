//! The environment in, how and where the Hugging Face hub is reached out: addresses, cache, token. Opens no connection.
//!
//! The layout is hf-hub's: its types make the addresses, find files in the cache, and read the token that a login left.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use hf_hub::{Cache, Repo, RepoType};
use ureq::Agent;
use ureq::http::Uri;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

use super::HubSource;

/// How the hub is reached.
#[derive(Debug, Clone)]
pub struct HubSettings {
    /// Scheme and host, without a slash at the end. Any but `https://huggingface.co` is a mirror.
    pub endpoint: String,
    /// Shown to `https://huggingface.co`, never to a mirror nor to the host that a file is redirected to.
    pub token: Option<String>,
    /// The cache that the user shares with other programs; read, never written.
    pub cache: Option<PathBuf>,
    /// No connection to the hub, although there may be others.
    pub offline: bool,
    /// Whether `HTTPS_PROXY`, `NO_PROXY` and their like count.
    pub proxy_from_env: bool,
    /// Certificates (PEM) to trust instead of the built-in ones.
    pub certificates: Option<PathBuf>,
    /// When to stop waiting.
    pub patience: Patience,
}

/// When to stop waiting for the hub.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For a connection, and again for the first line of an answer.
    pub connect: Duration,
    /// For the next bytes of a download under way.
    pub stall: Duration,
    /// Before a broken download goes on; doubled each time that brought nothing.
    pub retry: Duration,
    /// How many times in a row a broken download is taken up again without getting further.
    pub n_retries: u32,
}

impl Default for Patience {
    fn default() -> Self {
        Patience {
            connect: Duration::from_secs(5),
            stall: Duration::from_secs(30),
            retry: Duration::from_millis(500),
            n_retries: 4,
        }
    }
}

const OFFICIAL: &str = "https://huggingface.co";

impl HubSettings {
    /// What the environment says: `HF_ENDPOINT`, `HF_TOKEN`, `HF_HOME`, `HF_HUB_CACHE`, `HF_HUB_OFFLINE`, and
    /// `REQUESTS_CA_BUNDLE` or `SSL_CERT_FILE`.
    pub fn from_env() -> HubSettings {
        HubSettings::from_variables(|name| std::env::var(name).ok(), dirs::home_dir())
    }

    fn from_variables(variable: impl Fn(&str) -> Option<String>, home: Option<PathBuf>) -> HubSettings {
        let set = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let hf_home = set("HF_HOME")
            .map(PathBuf::from)
            .or_else(|| Some(PathBuf::from(set("XDG_CACHE_HOME")?).join("huggingface")))
            .or_else(|| Some(home?.join(".cache").join("huggingface")));
        let hub = hf_home.map(|hf_home| hf_home.join("hub"));
        let token_file = || Cache::new(hub.clone()?).token();
        let is_on = |value: String| ["1", "on", "yes", "true"].contains(&value.trim().to_lowercase().as_str());
        let endpoint = set("HF_ENDPOINT").unwrap_or_else(|| OFFICIAL.into());
        HubSettings {
            endpoint: endpoint.trim().trim_end_matches('/').to_owned(),
            token: set("HF_TOKEN").map(|token| token.trim().to_owned()).or_else(token_file),
            cache: set("HF_HUB_CACHE").map(PathBuf::from).or(hub.clone()),
            offline: set("HF_HUB_OFFLINE").is_some_and(is_on),
            proxy_from_env: true,
            certificates: set("REQUESTS_CA_BUNDLE").or_else(|| set("SSL_CERT_FILE")).map(PathBuf::from),
            patience: Patience::default(),
        }
    }

    /// Where the user's cache would have the file. The hub names the content of a large file by its SHA-256, so it is
    /// found whatever the revision; a cache without links has it under its own name.
    pub(super) fn cached(&self, source: &HubSource, sha256: &str) -> Vec<PathBuf> {
        let Some(cache) = self.cache.clone() else {
            return Vec::new();
        };
        let repo = Cache::new(cache).repo(repo_of(source));
        let blob = repo.blob_path(sha256);
        let named = repo.get(&source.file);
        let pinned = repo.pointer_path(&source.revision).join(&source.file);
        [Some(blob), named, Some(pinned)].into_iter().flatten().collect()
    }

    /// The address of the file.
    pub(super) fn address(&self, source: &HubSource) -> String {
        let repo = repo_of(source);
        let (name, revision) = (repo.url(), repo.url_revision());
        format!("{}/{name}/resolve/{revision}/{}", self.endpoint, source.file)
    }

    /// The token, if the file at `url` lies where it may be shown.
    pub(super) fn token_for(&self, url: &Uri) -> Option<&str> {
        let is_official = url.scheme_str() == Some("https")
            && url.authority().map(|authority| authority.as_str()) == Some("huggingface.co");
        self.token.as_deref().filter(|_| is_official && self.endpoint == OFFICIAL)
    }

    /// A client that follows no redirect by itself and gives up in time.
    pub(super) fn agent(&self) -> Result<Agent> {
        let Patience { connect, stall, .. } = self.patience;
        let mut config = Agent::config_builder()
            .user_agent(concat!("precis/", env!("CARGO_PKG_VERSION")))
            .accept_encoding("identity")
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .timeout_resolve(Some(connect))
            .timeout_connect(Some(connect))
            .timeout_recv_response(Some(connect))
            .timeout_per_read(Some(stall))
            .timeout_per_write(Some(stall));
        if !self.proxy_from_env {
            config = config.proxy(None);
        }
        if let Some(path) = &self.certificates {
            let roots = RootCerts::new_with_certs(&read_certificates(path)?);
            config = config.tls_config(TlsConfig::builder().root_certs(roots).build());
        }
        Ok(config.build().into())
    }
}

fn repo_of(source: &HubSource) -> Repo {
    Repo::with_revision(source.repo.clone(), RepoType::Model, source.revision.clone())
}

fn read_certificates(path: &Path) -> Result<Vec<Certificate<'static>>> {
    let read = || format!("failed to read certificates from `{}`", path.display());
    let pem = std::fs::read(path).with_context(read)?;
    let mut certificates = Vec::new();
    for item in parse_pem(&pem) {
        if let PemItem::Certificate(certificate) = item.with_context(read)? {
            certificates.push(certificate);
        }
    }
    if certificates.is_empty() {
        bail!("`{}` holds no certificate", path.display());
    }
    Ok(certificates)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(variables: &[(&str, &str)]) -> HubSettings {
        let look = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        HubSettings::from_variables(look, Some(PathBuf::from("/home/reader")))
    }

    #[test]
    fn the_environment_decides_how_the_hub_is_reached() {
        let plain = settings(&[("HF_ENDPOINT", ""), ("HF_TOKEN", " "), ("HF_HOME", "")]);
        assert_eq!(plain.endpoint, "https://huggingface.co");
        assert_eq!(plain.token, None);
        assert!(!plain.offline);
        let cache = plain.cache.unwrap();
        assert_eq!(cache, Path::new("/home/reader/.cache/huggingface/hub"));

        let set = settings(&[
            ("HF_ENDPOINT", "http://mirror.test/"),
            ("HF_TOKEN", "secret\n"),
            ("HF_HOME", "/data/hf"),
            ("HF_HUB_OFFLINE", "True"),
        ]);
        assert_eq!(set.endpoint, "http://mirror.test");
        assert_eq!(set.token.as_deref(), Some("secret"));
        assert_eq!(set.cache.unwrap(), Path::new("/data/hf/hub"));
        assert!(set.offline);

        let cache = settings(&[("HF_HOME", "/data/hf"), ("HF_HUB_CACHE", "/big/cache")]).cache;
        assert_eq!(cache.unwrap(), Path::new("/big/cache"));
        let cache = settings(&[("XDG_CACHE_HOME", "/xdg")]).cache;
        assert_eq!(cache.unwrap(), Path::new("/xdg/huggingface/hub"));
        assert!(!settings(&[("HF_HUB_OFFLINE", "0")]).offline);
    }

    #[test]
    fn the_token_is_shown_to_the_official_host_alone() {
        let official = settings(&[("HF_TOKEN", "secret")]);
        let mirror = settings(&[("HF_TOKEN", "secret"), ("HF_ENDPOINT", "https://mirror.test")]);
        let check = |settings: &HubSettings, url: &str, shown: bool| {
            let token = settings.token_for(&url.parse().unwrap());
            assert_eq!(token, shown.then_some("secret"), "{url}");
        };
        check(&official, "https://huggingface.co/a/b/resolve/main/c", true);
        check(&official, "http://huggingface.co/a/b/resolve/main/c", false);
        check(&official, "https://huggingface.co:8443/a", false);
        check(&official, "https://huggingface.co.evil.test/a", false);
        check(&official, "https://user@huggingface.co/a", false);
        check(&official, "https://cdn-lfs.hf.co/a", false);
        check(&mirror, "https://mirror.test/a", false);
        check(&mirror, "https://huggingface.co/a", false);
    }

    #[test]
    fn a_bundle_without_certificates_is_named() {
        let bundle = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(bundle.path(), "no certificate here").unwrap();
        let error = read_certificates(bundle.path()).unwrap_err().to_string();
        assert!(error.contains("holds no certificate"), "{error}");
    }
}
