use std::borrow::Cow;

use mlua::Error as LuaError;
use mlua::chunk::Compiler;

use crate::Limits;
use crate::error::{chunk_of, printable};
use crate::limits::{ERROR_BYTES, OPERATORS, OPERATORS_IN_FUNCTION};
use crate::operators;
use crate::testing;

/// Built-ins that take longer the more they are given. The compiler would call them without counting a step.
const COUNTED_BUILTINS: &[&str] = &[
    "tonumber",
    "rawset",
    "setmetatable",
    "unpack",
    "string.char",
    "string.sub",
    "table.insert",
    "table.unpack",
];

/// Libraries that scripts do not have. The compiler knows their functions nevertheless.
const LACKING_LIBRARIES: &[&str] = &["buffer", "integer", "vector"];

/// The libraries of [`COUNTED_BUILTINS`].
const COUNTED_LIBRARIES: &[&str] = &["string", "table"];

/// The version of the API that scripts are written against; a script states it as `--!api 1`.
pub const API_VERSION: u32 = 1;

pub(crate) const API_HEADER: &str = "--!api";

/// Some editors put it at the head of every file.
pub(crate) const BYTE_ORDER_MARK: char = '\u{feff}';

const LABEL_BYTES: usize = 64;

/// Hot comments such as `--!optimize 2` override the compiler's options, but only before the first statement. This one
/// takes that place; it compiles to nothing and keeps the line numbers.
const GUARD: &str = "do end ";

/// Coverage of statements; the next level, of expressions, would cost more and show no more lines.
const STATEMENTS: u8 = 1;

/// Built-ins that the prelude replaces. Named for the compiler, whose fast paths would call the originals.
const REPLACED_BUILTINS: &[&str] = &[
    "tostring",
    "pcall",
    "xpcall",
    "string.find",
    "string.match",
    "string.gmatch",
    "string.gsub",
    "string.split",
    "string.lower",
    "string.upper",
    "string.reverse",
    "string.pack",
    "string.packsize",
    "string.unpack",
    "string.rep",
    "string.format",
    "utf8.len",
    "utf8.codepoint",
    "utf8.offset",
    "utf8.codes",
    "table.sort",
    "table.find",
    "table.concat",
    "table.clone",
    "table.clear",
    "table.create",
    "table.move",
    "math.random",
    "math.randomseed",
];

/// A script that compiled. Holds no VM and may be shared between threads.
#[derive(Debug)]
pub struct Program {
    /// The name behind a `=`, as Lua takes it.
    chunk: String,
    bytecode: Vec<u8>,
    traced: bool,
}

impl Program {
    /// The name under which errors report places: `rules r17`.
    #[must_use]
    pub fn name(&self) -> &str {
        self.chunk.strip_prefix('=').unwrap_or(&self.chunk)
    }

    /// For whoever keeps programs in a cache of limited size.
    #[must_use]
    pub fn size(&self) -> usize {
        self.bytecode.len() + self.chunk.len()
    }

    /// Whether it tells which of its lines ran.
    #[must_use]
    pub const fn is_traced(&self) -> bool {
        self.traced
    }

    pub(crate) fn chunk(&self) -> &str {
        &self.chunk
    }

    pub(crate) fn bytecode(&self) -> &[u8] {
        &self.bytecode
    }
}

/// Why a source is not a program.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CompileError {
    /// Starts with the place, where one is known: `rules r17:3: …`.
    pub message: String,
    pub line: Option<u32>,
}

/// Compiles, and runs nothing; without the script's tests.
pub(crate) fn compile(limits: &Limits, label: &str, source: &[u8], traced: bool) -> Result<Program, CompileError> {
    // First as it is: only what compiles is looked into.
    let whole = compile_text(limits, label, source, traced)?;
    let text = String::from_utf8_lossy(source);
    match testing::without_tests(&text) {
        Cow::Borrowed(_) => Ok(whole),
        Cow::Owned(left) => compile_text(limits, label, left.as_bytes(), traced),
    }
}

/// Compiles the whole source, its tests too.
pub(crate) fn compile_with_tests(limits: &Limits, label: &str, source: &[u8]) -> Result<Program, CompileError> {
    compile_text(limits, label, source, false)
}

/// The bytes come from outside, so they are read as text whatever they look like.
fn compile_text(limits: &Limits, label: &str, source: &[u8], traced: bool) -> Result<Program, CompileError> {
    let chunk = chunk_of(&printable(label, LABEL_BYTES));
    let fail = |line: Option<u32>, text: String| {
        let place = line.map_or_else(|| chunk.clone(), |line| format!("{chunk}:{line}"));
        CompileError {
            message: printable(&format!("{place}: {text}"), ERROR_BYTES),
            line,
        }
    };
    if source.len() > limits.source_bytes {
        let (size, limit) = (source.len(), limits.source_bytes);
        return Err(fail(
            None,
            format!("the script has {size} bytes; at most {limit} are allowed"),
        ));
    }
    let text = std::str::from_utf8(source).map_err(|error| {
        let line = line_at(source, error.valid_up_to());
        fail(Some(line), String::from("the script is not UTF-8 text"))
    })?;
    if let Some(position) = text.bytes().position(|byte| byte == 0) {
        return Err(fail(
            Some(line_at(source, position)),
            String::from("the script contains a zero byte"),
        ));
    }
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    check_api(text).map_err(|(line, text)| fail(Some(line), text))?;
    let operators = operators::count(text);
    if operators > OPERATORS {
        return Err(fail(
            None,
            format!("the script has {operators} operators; at most {OPERATORS} are allowed"),
        ));
    }
    let compiler = compiler_of(text).set_coverage_level(if traced { STATEMENTS } else { 0 });
    let bytecode = compiler.compile(format!("{GUARD}{text}")).map_err(|error| {
        let (line, text) = place_of(&error);
        fail(line, text)
    })?;
    if operators > OPERATORS_IN_FUNCTION
        && let Some(most) = operators::most_in_a_function(text).filter(|most| *most > OPERATORS_IN_FUNCTION)
    {
        return Err(fail(
            None,
            format!(
                "one function has {most} operators; at most {OPERATORS_IN_FUNCTION} are allowed: make more functions"
            ),
        ));
    }
    // What tells of the lines is ours, not the author's.
    if bytecode.len() > limits.bytecode_bytes && !traced {
        let (size, limit) = (bytecode.len(), limits.bytecode_bytes);
        return Err(fail(
            None,
            format!("the script compiles to {size} bytes; at most {limit} are allowed"),
        ));
    }
    Ok(Program {
        chunk: format!("={chunk}"),
        bytecode,
        traced,
    })
}

/// Level 2 would inline: ten kilobytes of source become megabytes of bytecode.
pub(crate) fn compiler() -> Compiler {
    Compiler::new()
        .set_optimization_level(1)
        .set_debug_level(1)
        .set_type_info_level(0)
        .set_coverage_level(0)
        .set_disabled_builtins(REPLACED_BUILTINS.iter().chain(COUNTED_BUILTINS).copied())
        .set_mutable_globals(LACKING_LIBRARIES.iter().copied())
}

/// A source that has a global variable `sub` makes the compiler forget that `string.sub` was disabled; then the whole
/// library is called as any other table's functions are.
fn compiler_of(text: &str) -> Compiler {
    let names = (COUNTED_BUILTINS.iter()).filter_map(|name| name.split_once('.'));
    if names.into_iter().any(|(_, name)| stands_alone(text, name)) {
        let libraries = LACKING_LIBRARIES.iter().chain(COUNTED_LIBRARIES);
        return compiler().set_mutable_globals(libraries.copied());
    }
    compiler()
}

/// Whether a name occurs otherwise than behind a `.` or a `:`, be it in a comment.
fn stands_alone(text: &str, name: &str) -> bool {
    let of_a_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    text.match_indices(name).any(|(start, _)| {
        let before = text.get(..start).and_then(|text| text.chars().next_back());
        let after = text.get(start + name.len()..).and_then(|text| text.chars().next());
        let whole = !before.is_some_and(of_a_name) && !after.is_some_and(of_a_name);
        whole && !matches!(before, Some('.' | ':'))
    })
}

/// Looks for `--!api N` among the comments at the head of the script.
fn check_api(text: &str) -> Result<(), (u32, String)> {
    for (line, number) in text.lines().map(str::trim).zip(1_u32..) {
        if !line.is_empty() && !line.starts_with("--") {
            break;
        }
        let Some(version) = line.strip_prefix(API_HEADER) else {
            continue;
        };
        if version.trim() != API_VERSION.to_string() {
            let wanted = printable(version.trim(), 20);
            return Err((
                number,
                format!("API version '{wanted}' is not supported; write '{API_HEADER} {API_VERSION}'"),
            ));
        }
    }
    Ok(())
}

/// Whether the script states a version at its head.
pub(crate) fn has_api_header(text: &str) -> bool {
    text.lines()
        .map(str::trim)
        .take_while(|line| line.is_empty() || line.starts_with("--"))
        .any(|line| line.starts_with(API_HEADER))
}

fn line_at(source: &[u8], position: usize) -> u32 {
    let lines = source.iter().take(position).filter(|byte| **byte == b'\n').count();
    u32::try_from(lines).map_or(u32::MAX, |lines| lines.saturating_add(1))
}

/// Luau reports `:3: Expected identifier …`.
fn place_of(error: &LuaError) -> (Option<u32>, String) {
    let text = match error {
        LuaError::SyntaxError { message, .. } => message.clone(),
        other => other.to_string(),
    };
    let placed = text.trim_start_matches(':').split_once(':').and_then(|(line, rest)| {
        let line: u32 = line.trim().parse().ok()?;
        Some((line, rest.trim().to_owned()))
    });
    match placed {
        Some((line, rest)) => (Some(line), rest),
        None => (None, text),
    }
}
