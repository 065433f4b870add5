//! stub
use crate::topology::Snapshot;
/// m
#[derive(Debug)]
pub enum Mode {
    /// q
    Quiet,
}
impl Mode {
    /// c
    pub fn choose(_q: bool) -> Self {
        Self::Quiet
    }
}
/// p
#[derive(Debug)]
pub struct Progress;
impl Progress {
    /// n
    pub fn new(_: Mode) -> Self {
        Self
    }
    /// b
    pub fn begin_run(&mut self, _: u32, _: u32) {}
    /// u
    pub fn update(&mut self, _: &Snapshot) {}
    /// f
    pub fn finish(self) {}
}
