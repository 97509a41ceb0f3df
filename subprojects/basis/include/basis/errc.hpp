// The reasons for which something of ours can fail, one sentence each.
//
// A code exists only if some caller reacts to it; everything else is `internal` with a note.
// `outcome_unknown` is not a kind of failure: whoever receives it must read before writing again.
#pragma once
#include <cstdint>
#include <string_view>

namespace troupe {

enum class errc : std::uint8_t {
  conflict = 1,     ///< The compared revision is not the present one.
  not_found,        ///< There is no such thing.
  already_exists,   ///< There is such a thing already.
  invalid,          ///< The request or the data breaks a rule; repeating it is useless.
  unauthorized,     ///< Nobody can tell who is asking.
  forbidden,        ///< The asker is known and may not do this.
  gone,             ///< The revision asked for is no longer kept; list again.
  too_large,        ///< The data is larger than a named limit.
  overloaded,       ///< Surely not done, because too much is waiting; repeat later.
  unavailable,      ///< Surely not done, because a part that is needed is away; repeat later.
  outcome_unknown,  ///< It may have been done or not; read before writing again.
  timeout,          ///< No answer came in time.
  closed,           ///< The other side, or our own, ended the conversation.
  refused,          ///< Nobody accepts connections at that address.
  untrusted,        ///< A certificate or digest does not prove what it should.
  corrupt,          ///< Stored bytes are not what was written.
  unsupported,      ///< Known, but this build does not do it.
  internal,         ///< A fault of ours; the note tells more.
};

/// The code's name in lower case, for logs and tests; never null.
constexpr std::string_view to_string(errc code) noexcept {
  switch (code) {
    case errc::conflict: return "conflict";
    case errc::not_found: return "not_found";
    case errc::already_exists: return "already_exists";
    case errc::invalid: return "invalid";
    case errc::unauthorized: return "unauthorized";
    case errc::forbidden: return "forbidden";
    case errc::gone: return "gone";
    case errc::too_large: return "too_large";
    case errc::overloaded: return "overloaded";
    case errc::unavailable: return "unavailable";
    case errc::outcome_unknown: return "outcome_unknown";
    case errc::timeout: return "timeout";
    case errc::closed: return "closed";
    case errc::refused: return "refused";
    case errc::untrusted: return "untrusted";
    case errc::corrupt: return "corrupt";
    case errc::unsupported: return "unsupported";
    case errc::internal: return "internal";
  }
  return "internal";
}

}  // namespace troupe
