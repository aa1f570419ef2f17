//! demo
use router_core::Result;
use super::Session;
use crate::arguments::Demo;
pub(super) fn run(_: &Demo, _: &mut Session) -> Result<()> { Ok(()) }
