// An upgrade carried on: what a client wants to switch to is asked of another server, and when that one switches, the client is
// told the same and the two streams are spliced. Bytes never enter a mailbox. On the shard; what runs owns itself until it ends.
#pragma once
#include "net/http/client.hpp"
#include "net/http/server.hpp"

namespace troupe::net::http {

/// True when the request wants another protocol on its connection (Connection: Upgrade).
bool wants_upgrade(const request& ask);

/// The request as it goes on to another server: method, `path_and_query`, body, and the headers that are meant for the end of
/// the way; those of one hop and the caller's credentials stay behind. The upgrade's own headers go along when it has any.
request carried_on(const request& ask, std::string_view path_and_query);

/// `status` of what the server answered instead of switching, 0 when it did not answer; `why` is its body, or the reason.
using refusal = callback<void(int status, std::string why)>;

/// Sends `ask` (see carried_on) over `server`. `refused` is called when it does not switch within `patience`; the exchange is
/// the caller's to answer then. Whatever ends one of two spliced streams ends the other.
void carry_upgrade(shard& on, stream_ptr server, request ask, std::string host, duration patience, exchange_ptr client, refusal refused);

/// Asks `server` to switch and hands its stream over, or calls `refused`: for who speaks to the client in another way.
void ask_upgrade(shard& on, stream_ptr server, const request& ask, std::string_view host, duration patience,
                 callback<void(response, stream_ptr)> switched, refusal refused);

/// Splices two streams that nobody else holds; they are gone when one ends.
void splice_and_forget(shard& on, stream_ptr one, stream_ptr other);

}  // namespace troupe::net::http
