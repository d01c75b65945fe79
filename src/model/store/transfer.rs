//! A file from the Hugging Face hub, or from a mirror of it, into a [`Partial`]. The only code that opens a connection.
//!
//! The bytes come through `ureq`, the client that hf-hub itself stands on, and not through hf-hub's own download: that
//! one has no time limits, shows the token to the host that the hub redirects to, and names a local file after a header
//! of the answer. Here no header becomes a path, and what the hub says of a file is only ever compared.

use std::io::Read;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use ureq::Agent;
use ureq::http::{Response, StatusCode, Uri, header};

use super::partial::{POLL, Partial, stop_if_cancelled};
use super::{HubSettings, HubSource, Manifest, Progress};

/// The hub redirects once to its storage, twice for a renamed repository.
const MOST_HOPS: usize = 6;

/// A download that gained less than this before it broke has not got further.
const LEAST_GAIN: u64 = 1 << 20;

/// Brings what is missing of `partial` from the hub.
///
/// # Errors
/// The hub not reached within [`Patience::connect`], not having the file, stating another size or digest for it, or
/// breaking off too often; and those of [`Partial::append`].
pub(super) fn fetch(
    settings: &HubSettings,
    source: &HubSource,
    manifest: &Manifest,
    partial: &mut Partial,
    progress: &mut dyn Progress,
) -> Result<()> {
    if settings.offline {
        bail!("switched off by HF_HUB_OFFLINE");
    }
    let url = settings.address(source);
    // The host alone: an address may carry a password.
    let host = url.parse().ok().and_then(|url: Uri| Some(url.host()?.to_owned()));
    let host = host.with_context(|| format!("`{url}` is not an address"))?;
    let what = format!("{} from {host}", manifest.name);
    progress.begin(&what, Some(manifest.size_bytes));
    let mut reached = false;
    let mut n_fruitless = 0;
    while partial.n_missing() > 0 {
        let before = partial.n_bytes();
        progress.advance(before);
        let wanted =
            Wanted { url: url.clone(), from: before, size_bytes: manifest.size_bytes, sha256: manifest.sha256.clone() };
        let Err(broken) = stream(settings, wanted, partial, progress) else {
            break;
        };
        let reason = match broken {
            Broken::ForGood(error) => return Err(error),
            Broken::Perhaps(error) => error,
        };
        reached |= partial.n_bytes() != before;
        let gain = partial.n_bytes().saturating_sub(before);
        n_fruitless = if gain >= LEAST_GAIN { 0 } else { n_fruitless + 1 };
        // A hub that never answered is left for the next source at once.
        if !reached || n_fruitless > settings.patience.n_retries {
            return Err(reason);
        }
        progress.note(&format!("the download broke off ({reason:#}); going on"));
        let pause = settings.patience.retry;
        wait(pause.saturating_mul(2_u32.saturating_pow(n_fruitless)), progress)?;
    }
    progress.finish();
    Ok(())
}

/// What is asked of the hub.
struct Wanted {
    url: String,
    from: u64,
    size_bytes: u64,
    sha256: String,
}

/// What the connection's thread tells.
enum Event {
    /// The body begins at this offset of the file.
    Begins(u64),
    Bytes(Vec<u8>),
    Failed(Broken),
}

/// Why a download ended early.
enum Broken {
    /// Asking again would bring the same.
    ForGood(anyhow::Error),
    /// Asking again may help.
    Perhaps(anyhow::Error),
}

impl From<anyhow::Error> for Broken {
    fn from(error: anyhow::Error) -> Self {
        Broken::ForGood(error)
    }
}

/// One request, and its body into `partial`.
///
/// The connection has a thread of its own, so that a user who cancels need not wait for the network. Dropping the
/// channel ends that thread, at the latest when its own time limits do.
fn stream(
    settings: &HubSettings,
    wanted: Wanted,
    partial: &mut Partial,
    progress: &mut dyn Progress,
) -> Result<(), Broken> {
    let (sender, events) = sync_channel(8);
    let agent = settings.agent()?;
    let connection = settings.clone();
    std::thread::spawn(move || {
        if let Err(broken) = receive(&agent, &connection, &wanted, &sender) {
            // Nobody listens to a cancelled download.
            let _ = sender.send(Event::Failed(broken));
        }
    });
    while let Some(event) = next_event(&events, progress)? {
        match event {
            Event::Begins(offset) if offset == partial.n_bytes() => {}
            Event::Begins(0) => partial.restart()?,
            Event::Begins(offset) => {
                return Err(anyhow!("asked for byte {}, got byte {offset}", partial.n_bytes()).into());
            }
            Event::Bytes(bytes) => {
                partial.append(&bytes)?;
                progress.advance(partial.n_bytes());
            }
            Event::Failed(broken) => return Err(broken),
        }
    }
    match partial.n_missing() {
        0 => Ok(()),
        n_missing => Err(Broken::Perhaps(anyhow!("the connection was closed {n_missing} bytes early"))),
    }
}

fn next_event(events: &Receiver<Event>, progress: &mut dyn Progress) -> Result<Option<Event>> {
    loop {
        stop_if_cancelled(progress)?;
        match events.recv_timeout(POLL) {
            Ok(event) => return Ok(Some(event)),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Ok(None),
        }
    }
}

/// Asks, follows redirects, and passes the body on.
fn receive(agent: &Agent, settings: &HubSettings, wanted: &Wanted, events: &SyncSender<Event>) -> Result<(), Broken> {
    let mut url: Uri = wanted.url.parse().with_context(|| format!("`{}` is not an address", wanted.url))?;
    for _ in 0..MOST_HOPS {
        let mut request = agent.get(&url).header(header::RANGE, format!("bytes={}-", wanted.from));
        if let Some(token) = settings.token_for(&url) {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let answer = request.call().map_err(|error| Broken::Perhaps(anyhow!(error).context(unreached(&url))))?;
        compare_digest(&answer, &wanted.sha256)?;
        if answer.status().is_redirection() {
            url = redirected(&url, &answer)?;
            continue;
        }
        let offset = offset_of(&answer, wanted).map_err(|broken| match broken {
            Broken::ForGood(error) => Broken::ForGood(error.context(refused(&url))),
            Broken::Perhaps(error) => Broken::Perhaps(error.context(refused(&url))),
        })?;
        let mut listening = events.send(Event::Begins(offset)).is_ok();
        let mut body = answer.into_body().into_reader();
        while listening {
            let mut chunk = vec![0; 1 << 18];
            let n_read = body.read(&mut chunk).map_err(|error| Broken::Perhaps(error.into()))?;
            if n_read == 0 {
                break;
            }
            chunk.truncate(n_read);
            listening = events.send(Event::Bytes(chunk)).is_ok();
        }
        return Ok(());
    }
    Err(anyhow!("redirected more than {MOST_HOPS} times").into())
}

/// Where the answer's body begins in the file, if it is the file.
fn offset_of(answer: &Response<ureq::Body>, wanted: &Wanted) -> Result<u64, Broken> {
    let text = |name| answer.headers().get(name).and_then(|value| value.to_str().ok());
    let (offset, total) = match answer.status() {
        StatusCode::OK => (0, text(header::CONTENT_LENGTH).and_then(|value| value.parse().ok())),
        StatusCode::PARTIAL_CONTENT => {
            let range = text(header::CONTENT_RANGE).unwrap_or_default();
            let parsed = parse_content_range(range);
            parsed.with_context(|| format!("the range `{range}` makes no sense"))?
        }
        StatusCode::NOT_FOUND => return Err(anyhow!("no such file (404)").into()),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            return Err(anyhow!("access denied ({})", answer.status().as_u16()).into());
        }
        status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
            return Err(Broken::Perhaps(anyhow!("answered {status}")));
        }
        status => return Err(anyhow!("answered {status}").into()),
    };
    match total {
        Some(total) if total != wanted.size_bytes => {
            Err(anyhow!("the file has {total} bytes there, expected {}", wanted.size_bytes).into())
        }
        _ => Ok(offset),
    }
}

/// `bytes 100-199/200` begins at 100 of 200; the total may be `*`.
fn parse_content_range(text: &str) -> Option<(u64, Option<u64>)> {
    let (range, total) = text.trim().strip_prefix("bytes")?.trim().split_once('/')?;
    let (first, _) = range.split_once('-')?;
    Some((first.trim().parse().ok()?, total.trim().parse().ok()))
}

/// The hub states the SHA-256 of a large file before it sends a byte: a wrong one is not worth fetching.
fn compare_digest(answer: &Response<ureq::Body>, sha256: &str) -> Result<()> {
    let stated = ["x-linked-etag", "etag"].iter().find_map(|name| answer.headers().get(*name)?.to_str().ok());
    let Some(stated) = stated else {
        return Ok(());
    };
    let stated = stated.trim_start_matches("W/").trim_matches('"').to_lowercase();
    let is_sha256 = stated.len() == 64 && stated.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_sha256 && stated != sha256 {
        bail!("sha256 of the file is {stated} there, expected {sha256}");
    }
    Ok(())
}

/// The address that `answer` points to: absolute, or a path on the same host.
fn redirected(from: &Uri, answer: &Response<ureq::Body>) -> Result<Uri> {
    let location = answer.headers().get(header::LOCATION);
    let location =
        location.and_then(|value| value.to_str().ok()).with_context(|| format!("{from} redirects to nowhere"))?;
    let url = if location.starts_with('/') && !location.starts_with("//") {
        let mut parts = from.clone().into_parts();
        parts.path_and_query = location.parse().ok();
        Uri::from_parts(parts).ok()
    } else {
        location.parse().ok()
    };
    url.filter(|url| matches!(url.scheme_str(), Some("https" | "http")))
        .with_context(|| format!("{from} redirects to `{location}`, which is not an address"))
}

fn unreached(url: &Uri) -> String {
    format!("{} did not answer", url.host().unwrap_or_default())
}

fn refused(url: &Uri) -> String {
    format!("{} has not sent it", url.host().unwrap_or_default())
}

fn wait(pause: Duration, progress: &dyn Progress) -> Result<()> {
    let until = Instant::now() + pause;
    while Instant::now() < until {
        stop_if_cancelled(progress)?;
        std::thread::sleep(POLL.min(until.saturating_duration_since(Instant::now())));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_range_tells_offset_and_total() {
        let check = |text: &str, expected| assert_eq!(parse_content_range(text), expected, "{text}");
        check("bytes 0-0/200", Some((0, Some(200))));
        check("bytes 100-199/200", Some((100, Some(200))));
        check("bytes 5-9/*", Some((5, None)));
        check("bytes */200", None);
        check("items 1-2/3", None);
        check("", None);
    }
}
