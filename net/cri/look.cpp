// GCC 12 takes a moved result<T> of a large T for uninitialised where it inlines both halves of its variant.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <algorithm>
#include <memory>
#include <tuple>

#include "net/cri/runtime.hpp"

// One answer out of many: two lists, then a status for each that they name. Asked one after the other, so that nothing is
// shared between callbacks; a status of what has gone meanwhile is left out.

namespace troupe::net::cri {
namespace {

struct looking {
  runtime& on;
  pod_view seen;
  std::size_t next = 0;
  done<pod_view> then;
};
using looking_ptr = std::shared_ptr<looking>;

void finish(const looking_ptr& at) {
  auto& boxes = at->seen.sandboxes;
  auto& all = at->seen.containers;
  std::erase_if(boxes, [](const sandbox& s) { return s.id.empty(); });
  std::erase_if(all, [](const container& c) { return c.id.empty(); });
  std::sort(boxes.begin(), boxes.end(), [](const sandbox& a, const sandbox& b) {
    return std::tie(a.attempt, a.created_at, a.id) > std::tie(b.attempt, b.created_at, b.id);
  });
  std::sort(all.begin(), all.end(), [](const container& a, const container& b) {
    return std::tie(a.created_at, a.attempt, a.id) > std::tie(b.created_at, b.attempt, b.id);
  });
  at->then(std::move(at->seen));
}

void next_container(const looking_ptr& at) {
  if (at->next == at->seen.containers.size()) return finish(at);
  at->on.container_status(at->seen.containers[at->next].id, [at](result<container> got) {
    auto& slot = at->seen.containers[at->next++];
    if (!got.ok() && got.code() != errc::not_found) return at->then(got.why());
    auto box = std::move(slot.sandbox_id);
    slot = got.ok() ? std::move(*got) : container();
    slot.sandbox_id = std::move(box);
    next_container(at);
  });
}

void list_containers(const looking_ptr& at, const label_map& having) {
  at->on.list_containers(having, [at](result<std::vector<container>> got) {
    if (!got.ok()) return at->then(got.why());
    at->seen.containers = std::move(*got);
    at->next = 0;
    next_container(at);
  });
}

void next_sandbox(const looking_ptr& at, const label_map& having) {
  if (at->next == at->seen.sandboxes.size()) return list_containers(at, having);
  at->on.sandbox_status(at->seen.sandboxes[at->next].id, [at, having](result<sandbox> got) {
    auto& slot = at->seen.sandboxes[at->next++];
    if (!got.ok() && got.code() != errc::not_found) return at->then(got.why());
    slot = got.ok() ? std::move(*got) : sandbox();
    next_sandbox(at, having);
  });
}

}  // namespace

void look_at_pod(runtime& on, const std::string& pod_uid, done<pod_view> then) {
  auto at = std::make_shared<looking>(looking{on, {}, 0, std::move(then)});
  const label_map having{{label_pod_uid, pod_uid}};
  on.list_sandboxes(having, [at, having](result<std::vector<sandbox>> got) {
    if (!got.ok()) return at->then(got.why());
    at->seen.sandboxes = std::move(*got);
    next_sandbox(at, having);
  });
}

}  // namespace troupe::net::cri
