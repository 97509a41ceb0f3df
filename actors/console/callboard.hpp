// Who is on stage, what are they doing, what waits in their mailboxes: the cells that `observed` keeps,
// as JSON for tools and as a table for people. Asks no actor, so those that are stuck are shown too. Any
// thread. Holds names, counters and the words of exceptions; nothing of any actor's content.
#pragma once
#include <string>

#include "basis/result.hpp"

namespace troupe::console {

/// {"actors":[{id, parent, room, name, detail, depth, handled, last_message, busy_ms, state, ...}], "notices":{topic: what a
/// room last told of itself}}
std::string callboard_json();
/// The same for a terminal; `invalid` when the text is not what callboard_json makes.
result<std::string> callboard_table(const std::string& json_text);

}  // namespace troupe::console
