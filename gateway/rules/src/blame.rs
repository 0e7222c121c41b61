//! Finds the line of the author's script that is responsible for what happens now.

use std::fmt;

use mlua::{Error as LuaError, Lua};
use serde::{Deserialize, Serialize};

use crate::limits::ERROR_FRAMES;

/// Every script's chunk name starts so; host functions and the prelude never do.
pub(crate) const CHUNK_PREFIX: &str = "rules ";

/// Depth to which the stack is searched for the author's functions: host wrappers are two or three deep.
const SEARCHED_LEVELS: usize = 64;

/// A function of the script on the stack when it failed, innermost first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    /// `None` for the script's main part and for functions without a name.
    #[serde(default)]
    pub function: Option<String>,
    pub line: u32,
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.function {
            Some(name) => write!(f, "line {} in {name}", self.line),
            None => write!(f, "line {}", self.line),
        }
    }
}

/// An error that names the author's line, as Lua's own errors do.
pub(crate) fn error(lua: &Lua, message: impl fmt::Display) -> LuaError {
    LuaError::RuntimeError(match innermost(lua) {
        Some((chunk, line)) => format!("{chunk}:{line}: {message}"),
        None => message.to_string(),
    })
}

pub(crate) fn line(lua: &Lua) -> Option<u32> {
    innermost(lua).map(|(_, line)| line)
}

pub(crate) fn frames(lua: &Lua) -> Vec<Frame> {
    let mut found = Vec::new();
    for level in 0..SEARCHED_LEVELS {
        if found.len() == ERROR_FRAMES {
            break;
        }
        let seen = lua.inspect_stack(level, |debug| {
            authors(debug).map(|(_, line)| Frame {
                function: debug.names().name.map(|name| name.into_owned()),
                line,
            })
        });
        match seen {
            None => break,
            Some(frame) => found.extend(frame),
        }
    }
    found
}

fn innermost(lua: &Lua) -> Option<(String, u32)> {
    for level in 0..SEARCHED_LEVELS {
        match lua.inspect_stack(level, authors) {
            None => return None,
            Some(None) => {}
            Some(found) => return found,
        }
    }
    None
}

fn authors(debug: &mlua::debug::Debug<'_>) -> Option<(String, u32)> {
    let source = debug.source();
    let chunk = source.short_src.filter(|chunk| chunk.starts_with(CHUNK_PREFIX))?;
    let line = u32::try_from(debug.current_line()?).ok()?;
    Some((chunk.into_owned(), line))
}
