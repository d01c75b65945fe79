//! The real 0.5B: our forward pass against candle-transformers', and the same text twice.

use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::atomic::AtomicBool;

use candle_core::quantized::{GgmlDType, gguf_file};
use candle_core::{Device, Tensor};
use candle_transformers::models::quantized_qwen2;
use precis::compose::Prompts;
use precis::kernel::Compute;
use precis::model::embed::{ENCODER, Embedder};
use precis::model::engine::{Engine, EngineSettings};
use precis::model::gguf::Gguf;
use precis::model::kv_store::KvFolder;
use precis::model::qwen::Qwen;
use precis::model::store::{self, Network, Source, Store};
use precis::model::tokens::Tokens;
use precis::model::{Identity, LanguageModel, Limits, Prompt, Sampling};
use precis::text::Lang;

/// The model from the user's own store, fetched on first use as the product fetches it.
fn model_path() -> PathBuf {
    static PATH: LazyLock<PathBuf> = LazyLock::new(|| pull(store::FAST));
    PATH.clone()
}

/// The small model, loaded.
pub(super) fn small_engine() -> Engine {
    open(&model_path(), 1, true)
}

fn pull(name: &str) -> PathBuf {
    let own = || dirs::data_dir().expect("a data folder").join("precis/models");
    let root = std::env::var_os("PRECIS_MODELS").map_or_else(own, PathBuf::from);
    let store = Store::new(root, Network::Allowed);
    store.pull(name, Source::Auto, &mut ()).unwrap()
}

/// Written for this test: English, Chinese in both scripts, figures, names, code and furniture, about 400 tokens.
const TEXT: &str = "The harbour board of Lindau closed its eastern basin on Monday, 3 March 2025, after a barge with \
312 tonnes of gravel sank 40 metres from the lighthouse. Nobody was hurt. Divers found a crack of 2.6 metres in the \
hull, said Marta Oehler, who heads the board; the owner, Bodan Kies GmbH, expects to pay €1.4 million. \"We had asked \
for an inspection in January,\" she added, \"and again in February.\"\n\n\
Ferries to Bregenz and Romanshorn run from the western pier until the wreck is lifted, which needs a crane from \
Basel (12 days at least). Ticket sales fell by 18% in the first week.\n\n\
## 港口消息\n\n\
星期一，林道港因一艘驳船沉没而关闭东部水域，船上载有312吨砂石，没有人员伤亡。港务局局长玛尔塔说，船体裂缝长达2.6米，\
打捞工作预计需要12天，费用约140万欧元。渡轮暂时改由西码头出发。\n\n\
週三，港務局表示，打撈船將於三月十五日抵達；在此之前，遊客可以憑原票改乘巴士，每小時一班。當地旅館則說，訂房數量減少了\
近兩成，「春天本來是最好的季節」。\n\n\
- Opening hours: 08:00-18:30, closed on Sundays\n- Phone: +49 8382 000000\n\n\
fn lift(wreck: &Wreck) -> Result<Tonnes> { crane.pull(wreck.mass()?) }\n\n\
Read also: Ten quiet lakes for the summer. Share this article. All rights reserved.";

/// The oracle rounds activations to 8 bits before every product, ours not before all of them. Measured: logits, which
/// lie between -20 and 30, differ by 0.9 at most, and the most probable token never where its margin is above 0.19.
const MARGIN: f32 = 0.5;

#[test]
fn the_real_model_agrees_with_the_oracle_at_every_position() {
    check_against_oracle(&model_path());
}

fn check_against_oracle(path: &Path) {
    let mut gguf = Gguf::open(path).unwrap();
    let tokens = Tokens::new(&gguf).unwrap();
    // As the publisher's own tokenizer has it.
    assert_eq!(tokens.encode("Hello, world!").unwrap(), [9707, 11, 1879, 0]);
    let ids = tokens.encode(TEXT).unwrap();
    assert!((380..=440).contains(&ids.len()), "{} tokens", ids.len());
    assert_eq!(tokens.decode(&ids), TEXT);
    let model = Qwen::load(&mut gguf, &Compute::default(), 1024).unwrap();
    let all = model.forward_all(&ids, &mut model.cache(), &AtomicBool::new(false)).unwrap();

    let mut oracle = oracle(path);
    let mut n_clear = 0;
    for (position, id) in ids.iter().enumerate() {
        let input = Tensor::new(&[[*id]], &Device::Cpu).unwrap();
        let expected: Vec<f32> = oracle.forward(&input, position).unwrap().flatten_all().unwrap().to_vec1().unwrap();
        let found: Vec<f32> = all.get(position).unwrap().to_vec1().unwrap();
        let (best, margin) = best_and_margin(&expected);
        if margin > MARGIN {
            n_clear += 1;
            assert_eq!(best_and_margin(&found).0, best, "position {position}, margin {margin}");
        }
    }
    assert!(n_clear * 2 > ids.len(), "only {n_clear} of {} positions were clear", ids.len());
}

/// The other implementation. It would multiply Q5_0 weights one number at a time, for minutes; so they are put behind
/// the file's own bytes once more, as the same numbers in Q8_0.
fn oracle(path: &Path) -> quantized_qwen2::ModelWeights {
    let mut bytes = std::fs::read(path).unwrap();
    let mut content = gguf_file::Content::read(&mut Cursor::new(&bytes)).unwrap();
    for info in content.tensor_infos.values_mut() {
        if info.ggml_dtype != GgmlDType::Q5_0 {
            continue;
        }
        let start = (content.tensor_data_offset + info.offset) as usize;
        let n_blocks = info.shape.elem_count() / 32;
        info.offset = bytes.len() as u64 - content.tensor_data_offset;
        info.ggml_dtype = GgmlDType::Q8_0;
        for idx in 0..n_blocks {
            let block: [u8; 22] = bytes[start + 22 * idx..][..22].try_into().unwrap();
            let fifth_bits = u32::from_le_bytes(block[2..6].try_into().unwrap());
            bytes.extend_from_slice(&block[..2]);
            bytes.extend((0..32).map(|value| {
                let nibble = block[6 + value % 16] >> (value / 16 * 4) & 15;
                (nibble + 16 * (fifth_bits >> value & 1) as u8).wrapping_sub(16)
            }));
        }
    }
    let mut file = Cursor::new(bytes);
    quantized_qwen2::ModelWeights::from_gguf(content, &mut file, &Device::Cpu).unwrap()
}

/// The most probable token, and how far its logit lies above the next one.
fn best_and_margin(logits: &[f32]) -> (usize, f32) {
    let (mut best, mut second) = ((0, f32::NEG_INFINITY), f32::NEG_INFINITY);
    for (id, logit) in logits.iter().enumerate() {
        if *logit > best.1 {
            (second, best) = (best.1, (id, *logit));
        } else {
            second = second.max(*logit);
        }
    }
    (best.0, best.1 - second)
}

#[test]
fn the_real_model_writes_the_same_texts_alone_and_in_a_group() {
    check_groups(&model_path());
}

fn open(path: &Path, group: usize, lookup: bool) -> Engine {
    let identity = Identity { name: "real".into(), sha256: "0".repeat(64) };
    let settings = EngineSettings { group: Some(group), lookup, ..EngineSettings::default() };
    Engine::open(path, identity, settings).unwrap()
}

fn check_groups(path: &Path) {
    let limits = Limits { max_tokens: 24, one_line: true, sampling: Sampling::Greedy };
    let sentences = TEXT.split_inclusive(['.', '。']).map(str::trim);
    let prompts: Vec<Prompt> = sentences
        .filter(|sentence| sentence.len() > 20)
        .map(|sentence| Prompt {
            system: "You rewrite sentences. You write only the new sentence.".into(),
            user: format!("Rewrite this sentence in about 12 words.\n\nSentence: {sentence}"),
            ..Prompt::default()
        })
        .collect();
    assert!(prompts.len() >= 10);
    let mut one = open(path, 1, false);
    let alone: Vec<String> = prompts
        .iter()
        .map(|prompt| {
            one.forget();
            one.complete(std::slice::from_ref(prompt), &limits).unwrap().remove(0).text
        })
        .collect();
    let together = open(path, 12, true).complete(&prompts, &limits).unwrap();
    for (alone, together) in alone.iter().zip(&together) {
        assert_eq!(alone, &together.text);
    }
    // A token of the frame, the instruction and what the user turn begins with.
    assert!(together[1].usage.reused_tokens > 20, "{:?}", together[1].usage);
}

#[test]
fn the_real_model_writes_the_same_texts_with_and_without_guesses() {
    check_lookup(&model_path());
}

fn check_lookup(path: &Path) {
    let limits = Limits { max_tokens: 60, one_line: false, sampling: Sampling::Greedy };
    // Of the first, most is copied; of the last, little.
    let tasks = [
        "Write down this text again, word for word",
        "Summarize this text in one sentence",
        "Translate this text into French",
    ];
    let (mut plain, mut guessing) = (open(path, 1, false), open(path, 1, true));
    for task in tasks {
        let prompt = Prompt { user: format!("{task}:\n\n{}", &TEXT[..TEXT.find("##").unwrap()]), ..Prompt::default() };
        let write = |engine: &mut Engine| engine.complete(std::slice::from_ref(&prompt), &limits).unwrap().remove(0);
        let (expected, found) = (write(&mut plain), write(&mut guessing));
        assert_eq!(found.text, expected.text, "{task}");
        assert_eq!(found.stop, expected.stop, "{task}");
    }
}

#[test]
fn the_real_model_writes_the_same_text_twice() {
    check_same_text_twice(&model_path());
}

fn check_same_text_twice(path: &Path) {
    let prompt = Prompt {
        system: "You answer in one short sentence.".into(),
        user: format!("{}\n\nWhy was the basin closed?", &TEXT[..TEXT.find("\n\n").unwrap()]),
        ..Prompt::default()
    };
    let limits = Limits { max_tokens: 40, one_line: true, sampling: Sampling::Greedy };
    let write = || {
        let identity = Identity { name: "real".into(), sha256: "0".repeat(64) };
        let mut engine = Engine::open(path, identity, EngineSettings::default()).unwrap();
        let twice = engine.complete(&[prompt.clone(), prompt.clone()], &limits).unwrap();
        assert_eq!(twice[0].text, twice[1].text);
        twice[0].text.clone()
    };
    let text = write();
    assert!(text.contains("barge"), "{text}");
    assert_eq!(text, write());
}

#[test]
fn the_real_model_answers_the_same_from_instructions_on_disk() {
    check_kept_instructions(&model_path());
}

fn check_kept_instructions(path: &Path) {
    let prompts = Prompts::default();
    let values = [("text", TEXT), ("before", "Ferries"), ("words", "12"), ("question", "Why was the basin closed?")];
    let ask = |task: &str| prompts.render(task, Lang::En, &values).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let run = |kv_folder: Option<KvFolder>| {
        let settings = EngineSettings { kv_folder, ..EngineSettings::default() };
        let identity = Identity { name: "real".into(), sha256: "0".repeat(64) };
        let mut engine = Engine::open(path, identity, settings).unwrap();
        let limits = Limits { max_tokens: 24, one_line: true, sampling: Sampling::Greedy };
        let verdict = Prompt { lead: "The question is".into(), ..ask("verdict") };
        let (shares, usage) = engine.weigh(&verdict, &[" answerable", " unanswerable"]).unwrap();
        let tasks = ["answer", "shorten"].map(ask);
        let completions = engine.complete(&tasks, &limits).unwrap();
        assert!(engine.take_kv_problem().is_none());
        let texts: Vec<String> = completions.into_iter().map(|it| it.text).collect();
        (shares, texts, usage.reused_tokens)
    };
    let kept = || Some(KvFolder { path: folder.path().to_owned(), max_bytes: 64 << 20 });
    let (shares, texts, _) = run(None);
    assert!(texts.iter().all(|text| !text.is_empty()), "{texts:?}");
    for is_warm in [false, true] {
        let found = run(kept());
        // To the bit, not only to the token.
        assert_eq!((&found.0, &found.1), (&shares, &texts), "warm: {is_warm}");
        #[cfg(target_arch = "x86_64")]
        assert_eq!(found.2 > 200, is_warm, "{} tokens reused", found.2);
    }
}

#[test]
fn the_real_encoder_makes_the_vectors_that_its_authors_make() {
    let identity = Identity { name: ENCODER.into(), sha256: String::new() };
    let encoder = Embedder::open(&pull(ENCODER), None, identity).unwrap();
    let texts = ["The ferry sails again on Monday.", "The bakery sold out of bread.", TEXT, &TEXT.repeat(3)];
    let passages = encoder.passages(&texts).unwrap();
    let question = encoder.question("渡轮什么时候恢复航行？").unwrap();
    // Made with the C program of the package that the weights come in, to four digits; its sums are rounded elsewhere.
    let check = |found: &[f32], expected: [f32; 8]| {
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 2e-3, "{:?}", &found);
        }
    };
    check(&passages[0], [0.058, 0.0113, -0.007, -0.0773, 0.074, -0.0449, -0.0086, -0.0091]);
    check(
        // Less half the mean of the sixteen Chinese questions.
        &question,
        [0.0325, -0.0201, -0.0082, -0.0028, 0.0268, -0.0353, 0.0034, 0.0067],
    );
    let cosine = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    assert!((cosine(&passages[0], &passages[0]) - 1.0).abs() < 1e-5);
    assert!((cosine(&question, &passages[0]) - 0.444).abs() < 0.01);
    assert!((cosine(&question, &passages[1]) - 0.353).abs() < 0.01);
    // Three times as long as the model reads at once, and still about the same.
    assert!(cosine(&passages[2], &passages[3]) > 0.97);
    for (text, vector) in texts.iter().zip(&passages) {
        assert_eq!(&encoder.passages(&[text]).unwrap()[0], vector);
    }
}
