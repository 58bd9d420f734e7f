//! What workers say of themselves, from one of them to one hub.

use super::{QueueError, RedisQueue, json};
use domain::worker::Announcement;

impl RedisQueue {
    /// Puts an announcement in the place of the one before.
    pub(super) async fn keep_announcement(&self, announcement: &Announcement) -> Result<(), QueueError> {
        let mut set = redis::cmd("HSET");
        set.arg(&self.keys.workers)
            .arg(announcement.worker.to_string())
            .arg(json(announcement)?);
        self.links.query(&set).await
    }

    /// Takes what is there.
    pub(super) async fn read_announcements(&self) -> Result<Vec<Announcement>, QueueError> {
        let mut announced = self.scripts.announced.prepare_invoke();
        announced.key(&self.keys.workers);
        let said: Vec<String> = self.links.invoke(&announced).await?;
        // Of a version that says other things, or from another hand: there is nothing to keep of it.
        let read = |said: &String| serde_json::from_str(said).ok();
        Ok(said.iter().filter_map(read).collect())
    }
}
