//! A store in, what it could reach out. Fetches nothing; for people who ask why a fetch fails.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::{Network, Store};

impl Store {
    /// Where the hub is, and how long it takes to answer.
    ///
    /// # Errors
    /// Nothing may be asked, or no answer came in time.
    pub fn probe_hub(&self) -> Result<(String, Duration)> {
        ensure!(self.network == Network::Allowed, "not asked: offline");
        ensure!(!self.hub.offline, "switched off by HF_HUB_OFFLINE");
        let endpoint = self.hub.endpoint.clone();
        let started = Instant::now();
        // Whatever it answers, it is there.
        let answer = self.hub.agent()?.head(&endpoint).call();
        answer.with_context(|| format!("`{endpoint}` does not answer"))?;
        Ok((endpoint, started.elapsed()))
    }

    /// What pip says of itself: its version, and that of Python.
    ///
    /// # Errors
    /// There is no Python, or no pip in it.
    pub fn probe_pip(&self) -> Result<String> {
        let python = self.python.display();
        let output = Command::new(&self.python)
            .args(["-m", "pip", "--version"])
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("`{python}` does not start"))?;
        if !output.status.success() {
            bail!("`{python}` has no pip");
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}
