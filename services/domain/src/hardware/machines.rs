//! Cards and machines: `models/hardware.toml`.

use serde::{Deserialize, Serialize};
use std::sync::OnceLock;
use time::Date;

/// What sort of memory a machine has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A card for consumers.
    Consumer,
    /// A card for workstations.
    Workstation,
    /// A card for datacentres.
    Datacentre,
    /// Memory that processor and graphics share.
    Unified,
    /// Memory of the processors alone.
    Host,
}

impl Kind {
    /// The word in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Consumer => "consumer",
            Kind::Workstation => "workstation",
            Kind::Datacentre => "datacentre",
            Kind::Unified => "unified",
            Kind::Host => "host",
        }
    }
}

/// A card or a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// Its id, such as `geforce-rtx-4090`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Who makes it.
    pub maker: String,
    /// What sort of memory it has.
    pub kind: Kind,
    /// Its memory in gigabytes of 10^9 bytes.
    pub memory_gb: u32,
    /// Where that was read.
    pub source: String,
}

/// Gigabytes of unified memory up to which the system leaves two thirds to the graphics; above, three quarters.
const SMALL_UNIFIED_GB: u32 = 32;

impl Machine {
    /// Bytes that a model may have. Of unified memory the system gives the graphics a part only, unless it is told
    /// otherwise: see <https://github.com/ggml-org/llama.cpp/discussions/2182>.
    pub fn available(&self) -> u64 {
        let bytes = u64::from(self.memory_gb) * 1_000_000_000;
        match self.kind {
            Kind::Unified if self.memory_gb <= SMALL_UNIFIED_GB => bytes / 3 * 2,
            Kind::Unified => bytes / 4 * 3,
            Kind::Consumer | Kind::Workstation | Kind::Datacentre | Kind::Host => bytes,
        }
    }
}

time::serde::format_description!(day, Date, "[year]-[month]-[day]");

/// All that the hub knows.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machines {
    /// When their sources were read.
    #[serde(with = "day")]
    pub seen: Date,
    #[serde(rename = "machine")]
    machines: Vec<Machine>,
}

impl Machines {
    /// Those that are compiled in.
    pub fn shipped() -> Result<&'static Self, toml::de::Error> {
        static SHIPPED: OnceLock<Result<Machines, toml::de::Error>> = OnceLock::new();
        let read = || toml::from_str(include_str!("../../../../models/hardware.toml"));
        SHIPPED.get_or_init(read).as_ref().map_err(Clone::clone)
    }

    /// One by its id.
    pub fn get(&self, id: &str) -> Option<&Machine> {
        self.iter().find(|machine| machine.id == id)
    }

    /// All, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = &Machine> {
        self.machines.iter()
    }
}
