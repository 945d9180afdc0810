//! Ways to damage the text of a project: by bytes, by words and signs, and by whole blocks and groups.

/// Marsaglia's xorshift: small, seeded, the same on every machine.
pub struct Random(u64);

impl Random {
    /// A generator whose first numbers differ even for seeds that follow one another.
    pub fn new(seed: u64) -> Self {
        Random((seed ^ 0x9E37_79B9_7F4A_7C15).wrapping_mul(0xBF58_476D_1CE4_E5B9) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn below(&mut self, n: usize) -> usize {
        ((self.next() >> 16) % n.max(1) as u64) as usize
    }

    pub fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }
}

const PIECES: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "- ",
    "\n",
    "'",
    "\"",
    "(",
    ")",
    "\t",
    "&a ",
    "*a",
    "|",
    ">",
    "#",
    "é",
    "\u{1F600}",
    "\0",
    "null",
    "~",
    "{{",
    "}}",
    "{%",
    "where",
    "within",
    "not",
    "case when",
    "cast(",
    ".",
    "..",
    "0",
    "99999999999999999999",
    "-",
    "||",
    "purchase",
    "sum(",
    "over (",
    "%",
    "\\",
    "\u{feff}",
    "\r\n",
    "---\n",
    "<<: ",
    "!!str ",
    "is null",
    "in (",
];

/// Cuts a text where words, signs and blanks meet.
fn tokens(text: &str) -> Vec<&str> {
    let kind = |c: char| {
        if c.is_alphanumeric() || c == '_' {
            0
        } else if c.is_whitespace() {
            1
        } else {
            2
        }
    };
    let mut cuts = vec![0];
    let chars: Vec<(usize, char)> = text.char_indices().collect();
    for pair in chars.windows(2) {
        if kind(pair[0].1) != kind(pair[1].1) || kind(pair[1].1) == 2 {
            cuts.push(pair[1].0);
        }
    }
    cuts.push(text.len());
    cuts.windows(2).map(|cut| &text[cut[0]..cut[1]]).collect()
}

/// One to four changes of words and signs.
pub fn by_tokens(text: &str, random: &mut Random) -> String {
    let mut parts: Vec<String> = tokens(text).into_iter().map(str::to_owned).collect();
    for _ in 0..=random.below(4) {
        let at = random.below(parts.len());
        match random.below(7) {
            0 => drop(parts.remove(at)),
            1 => parts.insert(at, parts[at].clone()),
            2 => parts[at] = PIECES[random.below(PIECES.len())].to_owned(),
            3 => parts.insert(at, PIECES[random.below(PIECES.len())].to_owned()),
            4 => {
                let other = random.below(parts.len());
                parts.swap(at, other);
            }
            5 => {
                let from = random.below(parts.len());
                let piece: Vec<String> = parts[from..(from + random.below(12)).min(parts.len())].to_vec();
                parts.splice(at..at, piece);
            }
            _ => {
                // One byte of any value, made text again: broken characters become replacement characters.
                let mut bytes = parts[at].clone().into_bytes();
                let byte = random.below(bytes.len());
                if let Some(byte) = bytes.get_mut(byte) {
                    *byte = random.next() as u8;
                }
                parts[at] = String::from_utf8_lossy(&bytes).into_owned();
            }
        }
        if parts.is_empty() {
            parts.push("x".to_owned());
        }
    }
    parts.concat()
}

/// One to four changes of bytes. Broken characters become replacement characters.
pub fn by_bytes(text: &str, random: &mut Random) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len());
        match random.below(5) {
            _ if bytes.is_empty() => bytes.push(random.next() as u8),
            0 => drop(bytes.remove(at)),
            1 => bytes.insert(at, random.next() as u8),
            2 => bytes[at] = random.next() as u8,
            3 => {
                let other = (at + 1) % bytes.len();
                bytes.swap(at, other);
            }
            _ if random.below(8) == 0 => bytes.truncate(at),
            _ => bytes[at] ^= 1 << random.below(8),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// One to three whole parts of the tree removed, repeated, moved or put in the place of others: blocks of
/// lines and groups in brackets.
pub fn by_tree(text: &str, random: &mut Random) -> String {
    let mut text = text.to_owned();
    for _ in 0..=random.below(3) {
        let parts = if random.below(2) == 0 { blocks(&text) } else { groups(&text) };
        if parts.len() < 2 {
            break;
        }
        let (from, to) = (parts[random.below(parts.len())].clone(), parts[random.below(parts.len())].clone());
        let piece = text[from.clone()].to_owned();
        match random.below(4) {
            0 => text.replace_range(from, ""),
            1 => text.insert_str(to.start, &piece),
            2 => text.replace_range(to, &piece),
            _ => text.insert_str(from.end, &piece),
        }
    }
    text
}

/// A line and the deeper ones below it.
fn blocks(text: &str) -> Vec<std::ops::Range<usize>> {
    let mut lines = Vec::new();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        lines.push((at, line.len() - line.trim_start().len(), at + line.len()));
        at += line.len();
    }
    let block = |(i, (start, indent, end)): (usize, &(usize, usize, usize))| {
        let below = lines[i + 1..].iter().take_while(|(_, deeper, _)| deeper > indent).last();
        *start..below.map_or(*end, |last| last.2)
    };
    lines.iter().enumerate().map(block).collect()
}

/// The groups in brackets, brackets included.
fn groups(text: &str) -> Vec<std::ops::Range<usize>> {
    let (mut open, mut all) = (Vec::new(), Vec::new());
    for (i, byte) in text.bytes().enumerate() {
        match byte {
            b'{' | b'[' | b'(' => open.push(i),
            b'}' | b']' | b')' => all.extend(open.pop().map(|start| start..i + 1)),
            _ => {}
        }
    }
    all
}
