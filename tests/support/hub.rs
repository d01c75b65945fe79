//! A hub of our own on 127.0.0.1: answers as the Hugging Face hub does, or as badly as a test wants.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A request that arrived.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) path: String,
    headers: Vec<(String, String)>,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let same = |(known, _): &&(String, String)| known.eq_ignore_ascii_case(name);
        self.headers.iter().find(same).map(|(_, value)| &**value)
    }

    /// The offset of `Range: bytes=OFFSET-`.
    pub(crate) fn offset(&self) -> usize {
        let range = self.header("range").and_then(|range| range.strip_prefix("bytes="));
        let first = range.and_then(|range| range.split('-').next());
        first.and_then(|first| first.parse().ok()).unwrap_or(0)
    }
}

/// What a request gets.
pub(crate) enum Answer {
    /// The body from the offset asked for; only so many bytes of it, if the connection is to break.
    File {
        body: Arc<Vec<u8>>,
        cut_after: Option<usize>,
    },
    /// The whole body, whatever was asked for.
    WholeFile(Arc<Vec<u8>>),
    /// As [`Answer::File`], but after so many bytes the connection stays open and silent.
    Stall {
        body: Arc<Vec<u8>>,
        after: usize,
    },
    /// As the hub sends one to its storage, with the digest and size that it states for the file.
    Redirect {
        to: String,
        sha256: String,
        size: usize,
    },
    Status(u16),
    /// Nothing at all, while the connection stays open.
    Hang,
}

/// A server that lives as long as this value.
pub(crate) struct FakeHub {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    stopping: Arc<AtomicBool>,
}

impl FakeHub {
    /// Starts a server. `answer` gets each request and how many came before it.
    pub(crate) fn start(answer: impl Fn(&Asked, usize) -> Answer + Send + Sync + 'static) -> FakeHub {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let hub = FakeHub {
            address: listener.local_addr().expect("a bound port"),
            asked: Arc::default(),
            stopping: Arc::default(),
        };
        let (asked, stopping) = (hub.asked.clone(), hub.stopping.clone());
        let answer = Arc::new(answer);
        std::thread::spawn(move || {
            for connection in listener.incoming().map_while(Result::ok) {
                if stopping.load(Ordering::SeqCst) {
                    break;
                }
                let (answer, asked, stopping) = (answer.clone(), asked.clone(), stopping.clone());
                std::thread::spawn(move || {
                    let Some(request) = read_request(&connection) else {
                        return;
                    };
                    let n_before = {
                        let mut asked = asked.lock().unwrap();
                        asked.push(request.clone());
                        asked.len() - 1
                    };
                    // A client that went away is part of some tests.
                    let _ = send(&connection, &request, answer(&request, n_before), &stopping);
                });
            }
        });
        hub
    }

    /// `http://127.0.0.1:PORT`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every request so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for FakeHub {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        // Wakes the listener up.
        let _ = TcpStream::connect(self.address);
    }
}

fn read_request(connection: &TcpStream) -> Option<Asked> {
    let mut lines = BufReader::new(connection).lines().map_while(Result::ok);
    let path = lines.next()?.split(' ').nth(1)?.to_owned();
    let headers = lines
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_once(": ").map(|(name, value)| (name.to_owned(), value.to_owned())))
        .collect();
    Some(Asked { path, headers })
}

fn send(mut connection: &TcpStream, asked: &Asked, answer: Answer, stopping: &AtomicBool) -> std::io::Result<()> {
    let offset = asked.offset();
    match answer {
        Answer::File { body, cut_after } => send_from(connection, &body, offset, cut_after.unwrap_or(body.len())),
        Answer::WholeFile(body) => {
            write!(connection, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len())?;
            connection.write_all(&body)
        }
        Answer::Stall { body, after } => {
            send_from(connection, &body, offset, after)?;
            stay_silent(stopping);
            Ok(())
        }
        Answer::Redirect { to, sha256, size } => write!(
            connection,
            "HTTP/1.1 302 Found\r\nlocation: {to}\r\nx-repo-commit: 0123456789\r\nx-linked-etag: \"{sha256}\"\r\n\
             x-linked-size: {size}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        ),
        Answer::Status(status) => {
            write!(connection, "HTTP/1.1 {status} Whatever\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        }
        Answer::Hang => {
            stay_silent(stopping);
            Ok(())
        }
    }
}

fn send_from(mut connection: &TcpStream, body: &[u8], offset: usize, at_most: usize) -> std::io::Result<()> {
    if offset >= body.len() {
        return write!(
            connection,
            "HTTP/1.1 416 Range Not Satisfiable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        );
    }
    let rest = &body[offset..];
    write!(
        connection,
        "HTTP/1.1 206 Partial Content\r\netag: \"{:032x}\"\r\ncontent-range: bytes {offset}-{}/{}\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n",
        body.len(),
        body.len() - 1,
        body.len(),
        rest.len()
    )?;
    connection.write_all(&rest[..rest.len().min(at_most)])
}

fn stay_silent(stopping: &AtomicBool) {
    while !stopping.load(Ordering::SeqCst) {
        std::thread::sleep(Duration::from_millis(20));
    }
}
