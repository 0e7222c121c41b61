//! Every name that a script can reach, for those that look at its source. What a VM really holds is compared with this
//! in the VM's own tests.

pub(crate) const GLOBALS: [&str; 36] = [
    "_VERSION",
    "accept",
    "annotate",
    "assert",
    "bit32",
    "deliver",
    "drop",
    "error",
    "fee",
    "getmetatable",
    "ipairs",
    "math",
    "money",
    "next",
    "no_fee",
    "pairs",
    "pcall",
    "rawequal",
    "rawget",
    "rawlen",
    "rawset",
    "reject",
    "retry_later",
    "route",
    "select",
    "setmetatable",
    "string",
    "table",
    "test",
    "tonumber",
    "tostring",
    "type",
    "typeof",
    "unpack",
    "utf8",
    "xpcall",
];

const STRING: [&str; 17] = [
    "byte", "char", "find", "format", "gmatch", "gsub", "len", "lower", "match", "pack", "packsize", "rep", "reverse",
    "split", "sub", "unpack", "upper",
];

const TABLE: [&str; 13] = [
    "clear", "clone", "concat", "create", "find", "freeze", "insert", "isfrozen", "move", "pack", "remove", "sort",
    "unpack",
];

const MATH: [&str; 42] = [
    "abs", "acos", "asin", "atan", "atan2", "ceil", "clamp", "cos", "cosh", "deg", "e", "exp", "floor", "fmod",
    "frexp", "huge", "isfinite", "isinf", "isnan", "ldexp", "lerp", "log", "log10", "map", "max", "min", "modf", "nan",
    "noise", "phi", "pi", "pow", "rad", "round", "sign", "sin", "sinh", "sqrt", "sqrt2", "tan", "tanh", "tau",
];

const UTF8: [&str; 6] = ["char", "charpattern", "codepoint", "codes", "len", "offset"];

const BIT32: [&str; 15] = [
    "arshift", "band", "bnot", "bor", "btest", "bxor", "byteswap", "countlz", "countrz", "extract", "lrotate",
    "lshift", "replace", "rrotate", "rshift",
];

/// The members of a library that may be used; `math.random` is there only to say that it may not.
pub(crate) fn library(name: &str) -> Option<&'static [&'static str]> {
    Some(match name {
        "string" => &STRING,
        "table" => &TABLE,
        "math" => &MATH,
        "utf8" => &UTF8,
        "bit32" => &BIT32,
        _ => return None,
    })
}

/// Names that other Luas have, and what to write here.
pub(crate) const ELSEWHERE: [(&str, &str); 16] = [
    ("print", "write ctx.log(text)"),
    ("warn", "write ctx.log(text)"),
    ("os", "the moment is ctx.now, its parts are ctx.time(\"+03:00\")"),
    ("io", "a script has no files"),
    ("require", "a script stands alone: put what it needs into it"),
    ("dofile", "a script stands alone: put what it needs into it"),
    ("load", "a script cannot make code"),
    ("loadstring", "a script cannot make code"),
    ("coroutine", "the gateway waits for the answers itself"),
    ("debug", "write ctx.log(text)"),
    ("_G", "write a local variable"),
    ("getfenv", "write a local variable"),
    ("setfenv", "write a local variable"),
    ("collectgarbage", "memory is cleared after every call"),
    ("buffer", "use texts"),
    ("vector", "use tables"),
];
