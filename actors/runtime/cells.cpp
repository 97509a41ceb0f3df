#include "actors/runtime/cells.hpp"

#include <cxxabi.h>
#include <caf/mailbox_element.hpp>
#include <time.h>

#include <algorithm>
#include <cstdlib>

namespace troupe::rt {
namespace {
constexpr std::size_t errors_kept_max = 256;
}

void shared_count::count_slowly() noexcept {
  static std::atomic<unsigned> threads{0};
  if (place == 0) {
    const auto next = threads.fetch_add(1, std::memory_order_relaxed) + 1;
    place = std::min(next, own_places + 1);
    if (place <= own_places) return count();
  }
  places_[own_places].fetch_add(1, std::memory_order_relaxed);
}
std::uint64_t shared_count::total() const noexcept {
  std::uint64_t out = 0;
  for (const auto& one : places_) out += one.load(std::memory_order_relaxed);
  return out;
}

std::uint64_t theatre::now_ns() noexcept {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<std::uint64_t>(t.tv_sec) * 1000000000ull + static_cast<std::uint64_t>(t.tv_nsec);
}

std::string plain_name(const std::type_info& of) {
  int status = 0;
  char* text = abi::__cxa_demangle(of.name(), nullptr, nullptr, &status);
  std::string out = status == 0 && text ? text : of.name();
  std::free(text);
  for (const std::string_view outer : {"troupe::", "(anonymous namespace)::"})
    for (auto at = out.find(outer); at != std::string::npos; at = out.find(outer)) out.erase(at, outer.size());
  return out;
}

namespace {
/// "caf::mailbox_element_vals<node_password::verify_password>" without the wrapping.
std::string message_name(const std::type_info& of) {
  auto out = plain_name(of);
  constexpr std::string_view around = "caf::mailbox_element_vals<";
  if (out.starts_with(around)) out = out.substr(around.size(), out.rfind('>') - around.size());
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}
}  // namespace

const std::type_info* wrapped_message_type() {
  static const std::type_info* const type = [] {
    const auto one = caf::make_mailbox_element(nullptr, caf::make_message_id(), {}, caf::message{});
    const auto& element = *one;
    return &typeid(element);
  }();
  return type;
}

theatre& theatre::instance() {
  static theatre all;
  return all;
}

std::shared_ptr<cell> theatre::add(std::uint64_t id, std::uint64_t parent, std::string name, std::string detail,
                                   const std::type_info& state) {
  auto made = std::make_shared<cell>();
  made->id = id;
  made->parent = parent;
  made->name = std::move(name);
  made->detail = std::move(detail);
  made->room = plain_name(state);
  if (const auto at = made->room.rfind("::"); at != std::string::npos) made->room.resize(at);
  const std::lock_guard guard(lock_);
  if (cells_.size() >= sweep_at_) {
    std::erase_if(cells_, [](const auto& c) { return c.expired(); });
    sweep_at_ = std::max<std::size_t>(1024, cells_.size() * 2);
  }
  cells_.push_back(made);
  return made;
}

void theatre::note_error(const cell& of, std::string text) {
  const std::lock_guard guard(lock_);
  if (errors_.size() >= errors_kept_max) errors_.erase(errors_.begin());
  errors_.emplace_back(of.id, std::move(text));
}

void theatre::put_notice(const std::string& topic, std::string text) {
  const std::lock_guard guard(lock_);
  notices_[topic] = std::move(text);
}

std::map<std::string, std::string> theatre::notices() {
  const std::lock_guard guard(lock_);
  return notices_;
}

std::vector<cell_view> theatre::views() {
  std::vector<cell_view> out;
  const auto now = now_ns();
  const std::lock_guard guard(lock_);
  for (const auto& weak : cells_) {
    const auto c = weak.lock();
    if (!c) continue;
    const auto* last = c->last_message.load(std::memory_order_relaxed);
    const auto ended = c->slices_ended.load(std::memory_order_relaxed), begun = c->slices.load(std::memory_order_relaxed);
    auto since = c->slice_began_ns.load(std::memory_order_relaxed);
    if (begun <= ended) since = 0;
    else if (since == 0) {   // not a timed slice: it has run at least since we first saw it
      if (c->seen_slice != begun) c->seen_slice = begun, c->seen_at_ns = now - 1;
      since = c->seen_at_ns;
    }
    // Handled is read first: read the other way round a depth could come out negative.
    const auto handled = c->handled.load(std::memory_order_acquire);
    cell_view v{c->id, c->parent, c->name, c->detail, c->room, last ? message_name(*last) : "", "",
                c->received.total(), handled, c->slices.load(std::memory_order_relaxed),
                c->busy_ns.load(std::memory_order_relaxed), c->slice_ns_max.load(std::memory_order_relaxed),
                since && now > since ? now - since : 0, c->restarts.load(), c->dead.load()};
    for (const auto& [id, text] : errors_)
      if (id == c->id) v.last_error = text;
    out.push_back(std::move(v));
  }
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
  return out;
}

}  // namespace troupe::rt
