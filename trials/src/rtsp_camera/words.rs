//! The words of a URL's path, joined with `+`: how the camera behaves. Pure.

/// A word, and the behaviour that it stands for.
pub type Word = (&'static str, &'static str);

/// Every word, by subject. A number is one too: see [`Words::status`].
pub const WORDS: &[(&str, &[Word])] = &[
    (
        "the pictures; without one of these words H.264 with a key frame about twice a second",
        &[
            ("h265", "H.265"),
            ("jpeg", "JPEG"),
            ("vp8", "another codec in the description, which nobody here can decode"),
            ("bframes", "two B-pictures between others"),
            ("gdr", "no key frames: a refresh that moves over the picture, with recovery points"),
            ("noidr10", "a key frame only every 10 s"),
            ("slices", "four slices a picture"),
            ("audio", "a sound track stands in the description before the pictures"),
            ("spschange", "later pictures of another size"),
        ],
    ),
    (
        "the parameter sets",
        &[
            ("nosdpsps", "none in the description, only in the stream"),
            ("onlysdp", "none in the stream, only in the description"),
        ],
    ),
    (
        "the packets",
        &[
            ("loss", "now and then 1 to 3 packets are left out, and their numbers"),
            ("reorder", "each tenth packet comes after the next one"),
            ("trunc", "later a frame without its last packet, whose number is not left out"),
            ("annexb", "parameter sets and picture in one NAL unit, with start codes in it"),
            ("seimark", "before each picture an SEI unit of its own, which says that the picture ends"),
            ("garbage", "later some bytes that are no packet (TCP)"),
            ("ssrc", "later another SSRC, with another number and another time"),
            ("wrap", "numbers and times overflow in the first seconds"),
        ],
    ),
    (
        "the times",
        &[
            ("samets", "each tenth frame has the time of the one before"),
            ("tsback", "later a jump of 10 s back"),
            ("tsfwd", "later a jump of 20 s forward"),
            ("drift", "they run 2 % too fast"),
            ("nortcp", "no sender reports"),
            ("srstep", "later the reports' wall clock is an hour ahead"),
            ("srepoch", "the reports' wall clock began when the camera did"),
            ("noinfo", "the answer to PLAY says neither number nor time"),
        ],
    ),
    (
        "the stream",
        &[
            ("midgop", "it begins between two key frames"),
            ("burst", "the frames of 200 ms together"),
            ("pause2", "later none for 2 s"),
            ("pause12", "later none for 12 s"),
            ("stall", "later silence; the connection stays"),
            ("silence", "silence from the beginning; the connection stays"),
            ("close", "later the connection is closed"),
            ("rst", "later the connection is reset"),
        ],
    ),
    (
        "the session",
        &[
            ("tcponly", "UDP is refused (461)"),
            ("auth", "a login by digest: user keeper, password Op3nS3same"),
            ("basic", "the same login, basic"),
            ("stale", "with auth: a nonce is good for three requests, then another is asked for"),
            ("keepalive", "a session without a request for 4 s is ended"),
            ("noteardown", "TEARDOWN gets no answer, and a session that was left counts for 3 s more"),
            ("two", "no more than two sessions at a time (453)"),
            ("awhile", "with a status: only in the first 2 s after the first request"),
        ],
    ),
];

/// The words that one URL holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words {
    words: Vec<&'static str>,
    status: Option<u16>,
}

impl Words {
    /// Reads `loss+reorder`. `ok` stands for no word. `None` when one is unknown.
    pub fn parse(text: &str) -> Option<Self> {
        let mut this = Self::default();
        for word in text.split('+').filter(|word| !word.is_empty() && *word != "ok") {
            let known = WORDS.iter().flat_map(|(_, words)| *words).find(|(known, _)| *known == word);
            match (known, word.parse()) {
                (Some((known, _)), _) => this.words.push(known),
                (None, Ok(status @ 300..600)) => this.status = Some(status),
                (None, _) => return None,
            }
        }
        Some(this)
    }

    /// Is it among them?
    pub fn has(&self, word: &str) -> bool {
        debug_assert!(WORDS.iter().any(|(_, words)| words.iter().any(|(known, _)| *known == word)), "{word}");
        self.words.contains(&word)
    }

    /// The status of each answer, whatever is asked for.
    pub fn status(&self) -> Option<u16> {
        self.status
    }
}

/// A table of all words, for a person.
pub fn table() -> String {
    let mut text =
        "Words of a URL's path, joined with `+` (\"later\": once in each session, after some frames):\n"
            .to_owned();
    for (subject, words) in WORDS {
        text += &format!("\n  {subject}:\n");
        words.iter().for_each(|(word, does)| text += &format!("    {word:<11}{does}\n"));
    }
    text + "\n  any of them:\n    404        this status is the answer to every DESCRIBE; also 453, 503 and others\n    ok         nothing\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_and_an_unknown_one_is_noticed() {
        let words = Words::parse("loss+503+awhile").unwrap();
        assert!(words.has("loss") && words.has("awhile") && !words.has("reorder"));
        assert_eq!(words.status(), Some(503));
        assert_eq!(Words::parse("ok"), Some(Words::default()));
        assert_eq!(Words::parse("lose"), None);
        assert_eq!(Words::parse("99"), None);
    }

    #[test]
    fn each_word_has_one_meaning_and_a_line_in_the_table() {
        let mut all: Vec<_> = WORDS.iter().flat_map(|(_, words)| *words).collect();
        let table = table();
        assert!(all.iter().all(|(word, does)| table.contains(&format!("    {word:<11}{does}\n"))));
        let count = all.len();
        all.sort();
        all.dedup_by_key(|(word, _)| *word);
        assert_eq!(all.len(), count);
        assert!(count >= 24);
    }
}
