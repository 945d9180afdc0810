//! Regular expressions: the part of RE2's syntax that every engine reads alike, written out in the one form that
//! all of them share. It must not know dialects.
//!
//! Engines differ in what `.`, `\d` and `\b` are, in flags, and in which of several possible matches they take: the
//! first that a search by trial finds, or the longest. Classes are therefore written out, and where the text that
//! matches counts, a pattern is refused unless there is only one candidate.

use regex_syntax::ast::{self, Ast, ClassSet, ClassSetBinaryOp, ClassSetItem};
use regex_syntax::hir::{Capture, Class, ClassUnicode, ClassUnicodeRange, Hir, HirKind, Look, Repetition};

/// The longest pattern, in bytes.
const LONGEST: usize = 1_000;
/// The most repetitions that every engine counts to.
const MOST_REPEATED: u32 = 255;
/// Of a pattern that is too ambiguous to take a part of the text.
const AMBIGUOUS: &str = "engines disagree on which part of the text this takes";

/// What is asked of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// Whether something matches.
    Match,
    /// What the n-th group took; the whole for 0.
    Group(u32),
    /// Every part that matches.
    Parts,
}

/// The pattern in the form that all engines share. For a group, it is the only group that the form has.
///
/// The error says what is wrong, and what to do about it.
pub(super) fn portable(pattern: &str, asked: Asked) -> Result<String, (String, String)> {
    let refuse = |message: String, hint: &str| Err((message, hint.to_owned()));
    if pattern.len() > LONGEST {
        return refuse(format!("the pattern is longer than {LONGEST} bytes"), "split it into several conditions");
    }
    let mut tree = match ast::parse::Parser::new().parse(pattern) {
        Ok(tree) => tree,
        Err(error) => return refuse(error.kind().to_string(), "patterns are of the syntax of RE2"),
    };
    plain(&mut tree).map_err(own)?;
    let mut translator = regex_syntax::hir::translate::Translator::new();
    let hir = match translator.translate(pattern, &tree) {
        Ok(hir) => hir,
        Err(error) => return refuse(error.kind().to_string(), "patterns are of the syntax of RE2"),
    };
    let mut printer = Printer { group: None, found: false, out: String::new() };
    match asked {
        Asked::Match => {}
        Asked::Group(group) => {
            Follow::nothing().check(&hir).map_err(own)?;
            printer.group = Some(group);
        }
        Asked::Parts if first(&hir).nullable => {
            return refuse(
                "the pattern matches the empty text".to_owned(),
                "write `+` instead of `*`, so that there is something to replace",
            );
        }
        Asked::Parts => Follow::nothing().check(&hir).map_err(own)?,
    }
    let whole = printer.group == Some(0);
    if whole {
        printer.found = true;
        printer.out.push('(');
    }
    printer.print(&hir, false).map_err(own)?;
    if whole {
        printer.out.push(')');
    }
    match printer.group {
        Some(group) if !printer.found => {
            refuse(format!("the pattern has no group {group}"), "groups are counted by their opening bracket, from 1")
        }
        _ => Ok(printer.out),
    }
}

/// A refusal: what it is, and what to write instead.
type Refusal = (&'static str, &'static str);

fn own((message, hint): Refusal) -> (String, String) {
    (message.to_owned(), hint.to_owned())
}

/// Refuses what engines lack or read differently, and makes the short classes ASCII.
fn plain(tree: &mut Ast) -> Result<(), Refusal> {
    match tree {
        Ast::Empty(_) | Ast::Literal(_) | Ast::Dot(_) => Ok(()),
        Ast::Flags(_) => Err(("the pattern has flags such as `(?i)`", "compare `lower(a)` instead")),
        Ast::Assertion(assertion) => match assertion.kind {
            ast::AssertionKind::StartLine
            | ast::AssertionKind::EndLine
            | ast::AssertionKind::StartText
            | ast::AssertionKind::EndText => Ok(()),
            _ => Err(("the pattern has a bound of words", "name the characters around it, as in `(^|[^a-z])`")),
        },
        Ast::ClassUnicode(_) => Err(UNICODE),
        Ast::ClassPerl(class) => {
            let item = ClassSetItem::Ascii(ascii(class));
            let class = ast::ClassBracketed { span: class.span, negated: false, kind: ClassSet::Item(item) };
            *tree = Ast::ClassBracketed(Box::new(class));
            Ok(())
        }
        Ast::ClassBracketed(class) => plain_set(&mut class.kind),
        Ast::Repetition(repetition) if !repetition.greedy => {
            Err(("the pattern has a lazy repetition such as `.*?`", "name what may stand there, as in `[^@]*`"))
        }
        Ast::Repetition(repetition) => plain(&mut repetition.ast),
        Ast::Group(group) => match &group.kind {
            ast::GroupKind::NonCapturing(flags) if !flags.items.is_empty() => {
                Err(("the pattern has flags such as `(?i:…)`", "compare `lower(a)` instead"))
            }
            _ => plain(&mut group.ast),
        },
        Ast::Alternation(alternation) => alternation.asts.iter_mut().try_for_each(plain),
        Ast::Concat(concat) => concat.asts.iter_mut().try_for_each(plain),
    }
}

const UNICODE: Refusal = ("the pattern has a class of Unicode such as `\\pL`", "name the characters: `[a-zà-ÿ]`");

fn plain_set(set: &mut ClassSet) -> Result<(), Refusal> {
    match set {
        ClassSet::Item(item) => plain_item(item),
        ClassSet::BinaryOp(ClassSetBinaryOp { lhs, rhs, .. }) => {
            plain_set(lhs)?;
            plain_set(rhs)
        }
    }
}

fn plain_item(item: &mut ClassSetItem) -> Result<(), Refusal> {
    match item {
        ClassSetItem::Unicode(_) => Err(UNICODE),
        ClassSetItem::Perl(class) => {
            *item = ClassSetItem::Ascii(ascii(class));
            Ok(())
        }
        ClassSetItem::Bracketed(class) => plain_set(&mut class.kind),
        ClassSetItem::Union(union) => union.items.iter_mut().try_for_each(plain_item),
        ClassSetItem::Empty(_) | ClassSetItem::Literal(_) | ClassSetItem::Range(_) | ClassSetItem::Ascii(_) => Ok(()),
    }
}

/// `\d`, `\s` and `\w` are Unicode to some engines and ASCII to others, RE2 among them.
fn ascii(class: &ast::ClassPerl) -> ast::ClassAscii {
    let kind = match class.kind {
        ast::ClassPerlKind::Digit => ast::ClassAsciiKind::Digit,
        ast::ClassPerlKind::Space => ast::ClassAsciiKind::Space,
        ast::ClassPerlKind::Word => ast::ClassAsciiKind::Word,
    };
    ast::ClassAscii { span: class.span, kind, negated: class.negated }
}

/// The characters that a match can begin with, and whether it can be empty.
struct First {
    set: ClassUnicode,
    nullable: bool,
}

fn first(hir: &Hir) -> First {
    let none = || First { set: ClassUnicode::empty(), nullable: true };
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => none(),
        HirKind::Literal(literal) => {
            let first = std::str::from_utf8(&literal.0).ok().and_then(|text| text.chars().next());
            First { set: ClassUnicode::new(first.map(|c| ClassUnicodeRange::new(c, c))), nullable: false }
        }
        HirKind::Class(class) => First { set: unicode(class), nullable: false },
        HirKind::Repetition(Repetition { min, sub, .. }) => {
            let First { set, nullable } = first(sub);
            First { set, nullable: nullable || *min == 0 }
        }
        HirKind::Capture(Capture { sub, .. }) => first(sub),
        HirKind::Concat(parts) => {
            let mut all = none();
            for part in parts {
                let next = first(part);
                all.set.union(&next.set);
                if !next.nullable {
                    all.nullable = false;
                    break;
                }
            }
            all
        }
        HirKind::Alternation(branches) => {
            let mut all = First { set: ClassUnicode::empty(), nullable: false };
            for next in branches.iter().map(first) {
                all.set.union(&next.set);
                all.nullable |= next.nullable;
            }
            all
        }
    }
}

fn unicode(class: &Class) -> ClassUnicode {
    match class {
        Class::Unicode(class) => class.clone(),
        Class::Bytes(class) => class.to_unicode_class().unwrap_or_else(ClassUnicode::empty),
    }
}

/// What can come after a part of a pattern.
struct Follow {
    /// The characters with which it begins.
    set: ClassUnicode,
    /// It is of one length, or goes to the end of the text: the more the part takes, the longer is the match.
    settled: bool,
}

impl Follow {
    fn nothing() -> Self {
        Follow { set: ClassUnicode::empty(), settled: true }
    }

    /// Whether there is only one way to go on at every choice, or one that is the longest as well as the first.
    fn check(&self, hir: &Hir) -> Result<(), Refusal> {
        match hir.kind() {
            HirKind::Empty | HirKind::Look(_) | HirKind::Literal(_) | HirKind::Class(_) => Ok(()),
            HirKind::Capture(Capture { sub, .. }) => self.check(sub),
            HirKind::Repetition(repetition) => self.check_repetition(repetition),
            HirKind::Concat(parts) => self.check_parts(parts),
            HirKind::Alternation(branches) => {
                let mut seen = ClassUnicode::empty();
                for branch in branches {
                    let next = first(branch);
                    if next.nullable || overlap(&seen, &next.set) {
                        return Err((AMBIGUOUS, "let every alternative of `|` begin with another character"));
                    }
                    seen.union(&next.set);
                    self.check(branch)?;
                }
                Ok(())
            }
        }
    }

    fn check_repetition(&self, repetition: &Repetition) -> Result<(), Refusal> {
        let Repetition { min, max, sub, .. } = repetition;
        let next = first(sub);
        let varies = Some(*min) != *max;
        if next.nullable {
            return Err((AMBIGUOUS, "repeat something that cannot be empty"));
        }
        let one = matches!(sub.kind(), HirKind::Class(_)) || sub.properties().maximum_len() == Some(1);
        if varies && overlap(&next.set, &self.set) && !(one && self.settled) {
            let hint = "let what is repeated not contain what follows, as in `[^-]*-`, or end the pattern with `$`";
            return Err((AMBIGUOUS, hint));
        }
        let mut set = next.set;
        set.union(&self.set);
        Follow { set, settled: false }.check(sub)
    }

    fn check_parts(&self, parts: &[Hir]) -> Result<(), Refusal> {
        let to_the_end = matches!(parts.last().map(Hir::kind), Some(HirKind::Look(Look::End)));
        let mut follow = Follow { set: self.set.clone(), settled: self.settled || to_the_end };
        for part in parts.iter().rev() {
            follow.check(part)?;
            let next = first(part);
            if next.nullable {
                follow.set.union(&next.set);
            } else {
                follow.set = next.set;
            }
            let (least, most) = (part.properties().minimum_len(), part.properties().maximum_len());
            // Classes have a length in bytes that varies, but are one character.
            let one_length = least == most || matches!(part.kind(), HirKind::Class(_));
            follow.settled &= one_length || to_the_end;
        }
        Ok(())
    }
}

fn overlap(a: &ClassUnicode, b: &ClassUnicode) -> bool {
    let mut both = a.clone();
    both.intersect(b);
    !both.ranges().is_empty()
}

struct Printer {
    /// The group that is kept.
    group: Option<u32>,
    found: bool,
    out: String,
}

impl Printer {
    fn print(&mut self, hir: &Hir, repeated: bool) -> Result<(), Refusal> {
        match hir.kind() {
            HirKind::Empty => {}
            HirKind::Literal(literal) => {
                let text = std::str::from_utf8(&literal.0).map_err(|_| BYTES)?;
                for character in text.chars() {
                    self.character(character, r"\.+*?()|[]{}^$")?;
                }
            }
            HirKind::Class(class) => self.class(&unicode(class))?,
            HirKind::Look(Look::Start) => self.out.push('^'),
            HirKind::Look(Look::End) => self.out.push('$'),
            HirKind::Look(_) => return Err(("the pattern has an anchor of lines", "only `^` and `$` are taken")),
            HirKind::Repetition(repetition) => self.repetition(repetition)?,
            HirKind::Capture(Capture { index, sub, .. }) => {
                let kept = self.group == Some(*index);
                if kept && repeated {
                    return Err(("the group stands inside a repetition", "put the brackets around the repetition"));
                }
                self.found |= kept;
                self.out.push_str(if kept { "(" } else { "(?:" });
                self.print(sub, repeated)?;
                self.out.push(')');
            }
            HirKind::Concat(parts) => {
                for part in parts {
                    self.print(part, repeated)?;
                }
            }
            HirKind::Alternation(branches) => {
                self.out.push_str("(?:");
                for (i, branch) in branches.iter().enumerate() {
                    if i > 0 {
                        self.out.push('|');
                    }
                    self.print(branch, repeated)?;
                }
                self.out.push(')');
            }
        }
        Ok(())
    }

    fn repetition(&mut self, repetition: &Repetition) -> Result<(), Refusal> {
        let Repetition { min, max, sub, .. } = repetition;
        if sub.properties().maximum_len() == Some(0) {
            return Err(("the pattern repeats what has no length", "leave the repetition out"));
        }
        if *min > MOST_REPEATED || max.is_some_and(|max| max > MOST_REPEATED) {
            return Err(("the pattern counts beyond 255 repetitions", "use `*` or `+`, and `length` for the number"));
        }
        let alone = matches!(sub.kind(), HirKind::Class(_) | HirKind::Capture(_));
        if !alone {
            self.out.push_str("(?:");
        }
        self.print(sub, true)?;
        if !alone {
            self.out.push(')');
        }
        let count = match (min, max) {
            (0, None) => "*".to_owned(),
            (1, None) => "+".to_owned(),
            (0, Some(1)) => "?".to_owned(),
            (min, None) => format!("{{{min},}}"),
            (min, Some(max)) if min == max => format!("{{{min}}}"),
            (min, Some(max)) => format!("{{{min},{max}}}"),
        };
        self.out.push_str(&count);
        Ok(())
    }

    fn class(&mut self, class: &ClassUnicode) -> Result<(), Refusal> {
        let mut class = class.clone();
        let negated = class.ranges().last().is_some_and(|range| range.end() == char::MAX);
        if negated {
            class.negate();
        }
        match (negated, class.ranges()) {
            (true, []) => self.out.push_str("(?:.|\n)"),
            (false, []) => return Err(("the pattern has a class that holds no character", "leave it out")),
            (_, ranges) => {
                self.out.push_str(if negated { "[^" } else { "[" });
                for range in ranges {
                    self.character(range.start(), r"\[]^-&~")?;
                    if range.end() > range.start() {
                        self.out.push('-');
                        self.character(range.end(), r"\[]^-&~")?;
                    }
                }
                self.out.push(']');
            }
        }
        Ok(())
    }

    fn character(&mut self, character: char, special: &str) -> Result<(), Refusal> {
        if character == '\0' {
            return Err(BYTES);
        }
        if special.contains(character) {
            self.out.push('\\');
        }
        self.out.push(character);
        Ok(())
    }
}

const BYTES: Refusal = ("the pattern names a character that not every engine can hold", "leave out the zero character");

#[cfg(test)]
mod tests {
    use super::*;

    fn form(pattern: &str, asked: Asked) -> String {
        portable(pattern, asked).unwrap_or_else(|(message, _)| format!("!! {message}"))
    }

    #[test]
    fn patterns_are_written_out() {
        for (pattern, expected) in [
            (r"^\d{2,3}\.$", r"^[0-9]{2,3}\.$"),
            (r"[\w-]+", r"[\-0-9A-Z_a-z]+"),
            (r"a.c", "a[^\n]c"),
            (r"\D", "[^0-9]"),
            (r"(?:ab)*|é", "(?:(?:ab)*|é)"),
            (r"[\s\S]", "(?:.|\n)"),
            (r"x{2}", "(?:x){2}"),
        ] {
            assert_eq!(form(pattern, Asked::Match), expected, "{pattern}");
        }
    }

    #[test]
    fn what_engines_lack_or_read_differently_is_refused() {
        for pattern in
            [r"(?i)a", r"(?i:a)", r"\ba", r"\pL", r"a.*?b", r"(?=a)", r"(a)\1", r"a{256}", r"(", r"(?:^)*", r"\x00"]
        {
            assert!(portable(pattern, Asked::Match).is_err(), "{pattern}");
        }
    }

    #[test]
    fn where_the_text_counts_there_is_one_candidate() {
        for pattern in [r"a|ab", r"a?(?:ab)?", r"(?:a|)b", r"[ab]*(?:bc)?", r".*-\d+", r"(?:a*)*"] {
            assert_eq!(form(pattern, Asked::Group(0)), format!("!! {AMBIGUOUS}"), "{pattern}");
        }
        for (pattern, group, expected) in [
            (r"@(.+)$", 1, "@([^\n]+)$"),
            (r"^([^@]+)@(.*)$", 2, "^(?:[^@]+)@([^\n]*)$"),
            (r"(.*)-(\d+)$", 1, "([^\n]*)-(?:[0-9]+)$"),
            (r"cat|dog", 0, "((?:cat|dog))"),
            (r"[a-z]+\d*", 0, "([a-z]+[0-9]*)"),
            (r".*é.", 0, "([^\n]*é[^\n])"),
        ] {
            assert_eq!(form(pattern, Asked::Group(group)), expected, "{pattern}");
        }
        assert_eq!(form("(a)b", Asked::Group(2)), "!! the pattern has no group 2");
        assert_eq!(form("(?:(a)b)*", Asked::Group(1)), "!! the group stands inside a repetition");
        assert_eq!(form("a*", Asked::Parts), "!! the pattern matches the empty text");
        assert_eq!(form("[^0-9]+", Asked::Parts), "[^0-9]+");
    }
}
