//! The scripts that Redis runs, each whole or not at all. They are Lua; what each is given stands at its top.

use redis::Script;

/// How the parts of a script are told whether a lease stands.
const STANDING: &str = include_str!("scripts/standing.lua");

pub(super) struct Scripts {
    pub(super) offer: Script,
    pub(super) take: Script,
    pub(super) extend: Script,
    pub(super) report: Script,
    pub(super) settle: Script,
    pub(super) withdraw: Script,
    pub(super) held: Script,
    pub(super) collect: Script,
    pub(super) remove: Script,
    pub(super) announce: Script,
    pub(super) announced: Script,
    pub(super) depth: Script,
}

impl Default for Scripts {
    fn default() -> Self {
        let about_a_lease = |rest: &str| Script::new(&format!("{STANDING}\n{rest}"));
        Self {
            offer: Script::new(include_str!("scripts/offer.lua")),
            take: Script::new(include_str!("scripts/take.lua")),
            extend: about_a_lease(include_str!("scripts/extend.lua")),
            report: about_a_lease(include_str!("scripts/report.lua")),
            settle: about_a_lease(include_str!("scripts/settle.lua")),
            withdraw: about_a_lease(include_str!("scripts/withdraw.lua")),
            held: Script::new(include_str!("scripts/held.lua")),
            collect: Script::new(include_str!("scripts/collect.lua")),
            remove: Script::new(include_str!("scripts/remove.lua")),
            announce: Script::new(include_str!("scripts/announce.lua")),
            announced: Script::new(include_str!("scripts/announced.lua")),
            depth: Script::new(include_str!("scripts/depth.lua")),
        }
    }
}
