//! Every name that a script can reach is on this list. A library's update that adds one fails here first.
#![allow(clippy::unwrap_used)]

mod support;

use support::check;

const BASE: &str = "_VERSION accept annotate assert bit32 deliver drop error fee getmetatable ipairs math money next \
    no_fee pairs pcall rawequal rawget rawlen rawset reject retry_later route select setmetatable string table test tonumber \
    tostring type typeof unpack utf8 xpcall";

const LIBRARIES: &[(&str, &str)] = &[
    (
        "string",
        "byte char find format gmatch gsub len lower match pack packsize rep reverse split sub unpack upper",
    ),
    (
        "table",
        "clear clone concat create find freeze insert isfrozen move pack remove sort unpack",
    ),
    (
        "math",
        "abs acos asin atan atan2 ceil clamp cos cosh deg e exp floor fmod frexp huge isfinite isinf isnan ldexp lerp log \
         log10 map max min modf nan noise phi pi pow rad random randomseed round sign sin sinh sqrt sqrt2 tan \
         tanh tau",
    ),
    ("utf8", "char charpattern codepoint codes len offset"),
    (
        "bit32",
        "arshift band bnot bor btest bxor byteswap countlz countrz extract lrotate lshift replace rrotate rshift",
    ),
];

/// Names that Luau or mlua could bring, now or after an update.
const GONE: &str = "_G _ENV buffer class collectgarbage coroutine debug dofile gcinfo getfenv integer io load \
    loadfile loadstring module newproxy os package print require setfenv vector warn task script game shared Vector3 \
    bit jit ffi import export host limits";

#[test]
fn libraries_hold_what_is_listed() {
    for (library, members) in LIBRARIES {
        let list = format!(
            "local t = {{}} for name in {library} do t[#t + 1] = name end table.sort(t) return accept{{comment = table.concat(t, ' ')}}"
        );
        let listed: Vec<_> = members.split_whitespace().collect();
        assert_eq!(
            support::told(check(&list)).split(' ').collect::<Vec<_>>(),
            listed,
            "{library}"
        );
    }
}

#[test]
fn the_base_holds_what_is_listed() {
    // Scripts cannot walk over their globals; the engine's own list is compared in its unit tests.
    for name in BASE.split_whitespace() {
        let decision = check(&format!("assert({name} ~= nil) return accept()"));
        assert!(support::is_plain_accept(&decision), "{name}: {decision:?}");
    }
    for name in GONE.split_whitespace() {
        let decision = check(&format!("assert({name} == nil) return accept()"));
        assert!(support::is_plain_accept(&decision), "{name}: {decision:?}");
    }
}

#[test]
fn nothing_reachable_opens_a_metatable() {
    for value in [
        "''",
        "1",
        "nil",
        "true",
        "type",
        "string",
        "table",
        "math",
        "utf8",
        "bit32",
        "request",
        "ctx",
        "request.extras",
        "request.amount",
        "accept()",
        "accept",
        "ctx.log",
        "ctx.time()",
        "money('1 RUB')",
        "(select(2, pcall(money)))",
    ] {
        let decision = check(&format!(
            "local m = getmetatable({value}) assert(m == nil or m == false) return accept()"
        ));
        assert!(support::is_plain_accept(&decision), "{value}: {decision:?}");
    }
}
