// Makes the service proxy; see messages.hpp. It runs on the loop for slow work, because the kernel takes its time.
#pragma once
#include "actors/runtime/world.hpp"
#include "actors/service_proxy/messages.hpp"
#include "actors/service_proxy/rules.hpp"
#include "net/filter/filter.hpp"

namespace troupe::service_proxy {

struct proxy_config {
  node_facts node;
  duration gather_for = std::chrono::milliseconds(10);      ///< Changes within it are one transaction.
  duration check_every = std::chrono::seconds(30);          ///< Whether somebody has flushed our table.
  duration retry_after = std::chrono::seconds(1), retry_max = std::chrono::seconds(30);
};
/// When it ends the table stays, so that connections outlive a restart; remove_table takes it away.
proxy_actor make_proxy(const rt::world& in, proxy_config config, client::api_actor api);

/// What an uninstaller does. Blocks.
result<void> remove_table(net::packet_filter& from);

}  // namespace troupe::service_proxy
