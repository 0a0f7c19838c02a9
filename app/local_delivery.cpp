// Translation between the queue's messages and mailbox deliveries; no state but the store's.
#include "app/local_delivery.hpp"

namespace posthouse::app {
namespace {

mailbox::StoreOptions store_options(const conf::Settings& settings) {
  mailbox::StoreOptions options;
  options.format = settings.mailbox_format == conf::MailboxFormat::mbox ? mailbox::Format::mbox
                                                                        : mailbox::Format::maildir;
  options.root = settings.drop_path;
  return options;
}

deliver::LocalAgentOptions agent_options(const conf::Settings& settings) {
  deliver::LocalAgentOptions options;
  options.sync_always = settings.delivery_sync == conf::DeliverySync::always;
  return options;
}

}  // namespace

LocalDelivery::LocalDelivery(const Parts& parts, const conf::Settings& settings)
    : store_(parts.disk, parts.file_locks, store_options(settings)),
      agent_(deliver::LocalAgent::Parts{store_, parts.mailbox_pool, parts.sync_pool, parts.bulk},
             agent_options(settings)) {}

deliver::BoxDelivery LocalDelivery::to_box(const queue::LocalDelivery& delivery) const {
  const queue::Message& message = *delivery.message;
  const queue::Leaf& leaf = message.leaves[delivery.leaf];
  deliver::BoxDelivery box;
  box.id = message.id;
  box.leaf = delivery.leaf;
  box.uid = queue::leaf_uid(message, leaf);
  box.box = leaf.box;
  box.recipient = leaf.target.text();
  box.reverse_path = message.envelope.reverse_path.text();
  box.arrival = message.arrival;
  box.text = message.content.text;
  box.large_file = message.content.large_file;
  box.redo = delivery.redo;
  return box;
}

net::Task<std::vector<queue::LocalResult>> LocalDelivery::deliver(
    std::vector<queue::LocalDelivery> deliveries) {
  std::vector<deliver::BoxDelivery> boxes;
  boxes.reserve(deliveries.size());
  for (const auto& delivery : deliveries) boxes.push_back(to_box(delivery));
  net::Task<std::vector<deliver::BoxResult>> writing = agent_.deliver(std::move(boxes));
  std::vector<deliver::BoxResult> written = co_await std::move(writing);
  std::vector<queue::LocalResult> results;
  results.reserve(written.size());
  for (auto& one : written) {
    queue::LocalResult result;
    result.outcome = one.written ? queue::LocalOutcome::written : queue::LocalOutcome::deferred;
    result.detail = std::move(one.detail);
    results.push_back(std::move(result));
  }
  co_return results;
}

net::Task<std::vector<queue::LeafId>> LocalDelivery::checkpoint() {
  net::Task<std::vector<deliver::LeafKey>> syncing = agent_.checkpoint();
  const std::vector<deliver::LeafKey> failed = co_await std::move(syncing);
  std::vector<queue::LeafId> leaves;
  leaves.reserve(failed.size());
  for (const auto& key : failed) {
    queue::LeafId leaf;
    leaf.id = key.id;
    leaf.leaf = key.leaf;
    leaves.push_back(leaf);
  }
  co_return leaves;
}

net::Task<base::Result<>> LocalDelivery::remove(std::string box, std::vector<std::string> uids) {
  return agent_.remove(std::move(box), std::move(uids));
}

}  // namespace posthouse::app
