//! Host basics: the host's name, its time zone, its locale, its keyboard, each in the distribution's own place.

pub(crate) mod apply;
pub(crate) mod decide;
pub(crate) mod observe;
pub(crate) mod places;
pub(crate) mod record;
pub(crate) mod report;
