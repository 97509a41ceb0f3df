// Lists: pages that stay consistent, and their way to the socket at its own pace. On the net shard.
#pragma once
#include <deque>
#include <variant>

#include "actors/apiserver/discovery/discovery.hpp"
#include "actors/apiserver/wire/render.hpp"
#include "net/http/server.hpp"

namespace troupe::apiserver {

/// Snapshots that clients are paging through. Keeping one costs what has changed since.
class kept_pages {
 public:
  static constexpr std::size_t snapshots_max = 64;
  static constexpr duration life = std::chrono::minutes(5);

  /// The page that `asked` wants out of `all` at `head`, or out of the snapshot its continue token
  /// names; 410 when that is gone, 400 for a token that is none, 422 for options that contradict.
  std::variant<page, api_error> choose(std::uint16_t kind, const model::snapshot& all, model::revision_number head,
                                       const target& asked, mono_time now);
  void expire(mono_time now);

 private:
  struct kept {
    std::uint16_t kind;
    model::revision_number at;
    model::snapshot all;
    mono_time since;
  };
  void keep(std::uint16_t kind, model::revision_number at, const model::snapshot& all, mono_time now);
  std::deque<kept> kept_;
};

struct list_pace {
  std::size_t piece_bytes, unsent_max;
};
/// Small lists go in one answer; large ones in pieces, the next when the socket has taken the last.
void send_list(const net::http::exchange_ptr& to, const rendering& how, page what, list_pace pace);
void respond_discovery(net::http::exchange& to, const discovery_reply& reply, std::string_view if_none_match);

}  // namespace troupe::apiserver
