//! A Chinese sentence in, the sentence without its last clause out.

use super::is_outside_quotes;

/// Without the last clause of a Chinese sentence, where that leaves a sentence.
pub(super) fn without_last_clause(text: &str) -> Option<String> {
    const BINDING: [&str; 18] =
        ["但", "不", "没", "沒", "未", "無", "无", "非", "如果", "若", "除", "否", "却", "卻", "只", "才", "仅", "僅"];
    const OPEN: [&str; 20] = [
        "虽", "雖", "如果", "若", "由于", "由於", "因", "当", "當", "尽管", "儘管", "除", "随着", "隨著", "为了",
        "為了", "根据", "根據", "对于", "對於",
    ];
    const HANGING: [&str; 29] = [
        "表示", "指出", "认为", "認為", "称", "稱", "说", "說", "指", "悉", "道", "到", "息", "示", "露", "布", "佈",
        "看来", "看來", "是", "：", ":", "时", "時", "后", "後", "前", "中", "下",
    ];
    const TIMES: [&str; 3] = ["日", "月", "年"];
    let mut marks = text.char_indices().filter(|(_, c)| matches!(c, '，' | ',' | '；' | ';'));
    let (at, mark) = marks.rfind(|(at, _)| is_outside_quotes(text, *at))?;
    let (before, clause) = (&text[..at], &text[at + mark.len_utf8()..]);
    let first = before.split(['，', ',', '；', ';']).count() == 1;
    let ends_with = |endings: &[&str]| endings.iter().any(|end| before.ends_with(end));
    let opens = OPEN.iter().any(|open| before.starts_with(open));
    let is_open = first && (opens || ends_with(&TIMES)) || ends_with(&HANGING);
    let binds = BINDING.iter().any(|word| clause.contains(word));
    let long_enough = before.chars().count() >= 14;
    (long_enough && !is_open && !binds).then(|| format!("{before}。"))
}
