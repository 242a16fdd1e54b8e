//! Calls of methods of systemd's manager: one, or many without waiting for each.

use std::collections::HashMap;

use serde::Serialize;
use zbus::blocking::MessageIterator;
use zbus::message::Type;
use zbus::zvariant::{DynamicType, OwnedObjectPath};
use zbus::{Error, Message};

use super::{MANAGER, PATH, SERVICE, Systemd};

/// How many calls are under way at once: fewer than the answers that the connection holds until somebody reads them.
const AT_ONCE: usize = 32;

impl Systemd {
    /// Calls a method of the manager.
    pub(super) fn call<B: Serialize + DynamicType>(
        &self,
        method: &str,
        body: &B,
    ) -> zbus::Result<Message> {
        self.connection
            .call_method(Some(SERVICE), PATH, Some(MANAGER), method, body)
    }

    /// Calls a method that answers with an object, once for each body; the answers are in the order of the bodies.
    ///
    /// # Errors
    /// When the connection is lost. What systemd refuses is an answer.
    pub(super) fn call_each<B: Serialize + DynamicType>(
        &self,
        method: &str,
        bodies: impl IntoIterator<Item = B>,
    ) -> zbus::Result<Vec<zbus::Result<OwnedObjectPath>>> {
        let mut replies = MessageIterator::from(&self.connection);
        let mut bodies = bodies.into_iter();
        let mut answers = Vec::new();
        loop {
            let mut asked = HashMap::new();
            for body in bodies.by_ref().take(AT_ONCE) {
                let message = Message::method_call(PATH, method)?
                    .destination(SERVICE)?
                    .interface(MANAGER)?
                    .build(&body)?;
                asked.insert(message.primary_header().serial_num(), asked.len());
                self.connection.send(&message)?;
            }
            if asked.is_empty() {
                return Ok(answers);
            }
            let mut some: Vec<_> = asked.iter().map(|_| None).collect();
            while !asked.is_empty() {
                let reply = replies.next().ok_or(Error::InvalidReply)??;
                let serial = reply.header().reply_serial();
                if let Some(place) = serial.and_then(|serial| asked.remove(&serial)) {
                    some[place] = Some(object(reply));
                }
            }
            answers.extend(some.into_iter().flatten());
        }
    }
}

fn object(reply: Message) -> zbus::Result<OwnedObjectPath> {
    if reply.message_type() == Type::Error {
        return Err(reply.into());
    }
    reply.body().deserialize()
}
