//! The look at what is around a config before anything is made: sources, paths, limits, and what live cameras offer. What can
//! never work is refused, what may not is warned of.

use std::collections::BTreeMap;
use std::path::Path;

use proto::config::Config;
use proto::name::Name;
use proto::offer::NoOffer;

use super::inherited::Inherited;
use super::last_offers::LastOffers;
use crate::check::groups::Groups;
use crate::check::{
    clip_modes, config_mode, limits, offers, others_may_write, output_dir, patience, source_probe, tilde,
};
use crate::failure::Failure;

/// Looks. Returns the failure of a look that got no answer, which is for the caller to weigh.
///
/// # Errors
/// The config can't work here.
pub(super) fn look(config: &Config, config_path: &Path, groups: Groups) -> Result<Option<Failure>, Failure> {
    match warn(config, config_path, groups) {
        Ok(()) => Ok(None),
        Err(no_answer @ Failure::NoAnswer(_)) => Ok(Some(no_answer)),
        Err(refused) => Err(refused),
    }
}

fn warn(config: &Config, config_path: &Path, groups: Groups) -> Result<(), Failure> {
    let mut warnings = source_probe::look(config)?;
    warnings.extend(tilde::warnings(config));
    warnings.extend(config_mode::warning(config, config_path));
    let owned = config.clone();
    let look = move || [groups.clips_warning(&owned), others_may_write::warning(&owned)];
    warnings.extend(patience::within(output_dir::named(config), look)?.into_iter().flatten());
    warnings.extend(limits::look(config)?);
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    Ok(())
}

/// Asks the cameras what they give, and warns about those that give nothing.
pub(super) fn ask_cameras(
    config: &Config,
    inherited: &Inherited,
) -> Result<(Config, BTreeMap<Name, NoOffer>), Failure> {
    let earlier = LastOffers::of_runs(config);
    let resolved = offers::resolve(config, |camera| inherited.before(camera, &earlier))?;
    for warning in resolved.warnings.iter().chain(&clip_modes::warnings(&resolved.config)) {
        tracing::warn!("{warning}");
    }
    Ok((resolved.config, resolved.absent))
}
