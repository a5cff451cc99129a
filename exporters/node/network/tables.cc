// SPDX-License-Identifier: Apache-2.0
//
// Tables of names above numbers: netstat, lnstat, conntrack, xfrm.
#include "exporters/node/network/network.h"

namespace tocsin::exporters {
namespace {

void show_field(std::string_view protocol, std::string_view field, std::string_view value,
                NameSet* names, Families* out) {
  const std::string key = fmt::format("{}_{}", protocol, field);
  if (!names->keeps(key)) return;
  const std::optional<double> number = to_number(value);
  if (!number) return;
  out->untyped(fmt::format("node_netstat_{}", key), fmt::format("Statistic {}{}.", protocol, field),
               {}, *number);
}

// Pairs of lines "Tcp: name name" and "Tcp: 1 2".
void show_pairs(std::string_view text, NameSet* names, Families* out) {
  const std::vector<std::string_view> lines = lines_of(text);
  for (std::size_t i = 0; i + 1 < lines.size(); i += 2) {
    const std::vector<std::string_view> titles = fields_of(lines[i]);
    const std::vector<std::string_view> values = fields_of(lines[i + 1]);
    if (titles.empty() || titles.size() != values.size() || !titles[0].ends_with(':')) continue;
    const std::string_view protocol = titles[0].substr(0, titles[0].size() - 1);
    for (std::size_t j = 1; j < titles.size(); ++j) {
      show_field(protocol, titles[j], values[j], names, out);
    }
  }
}

// "Ip6InReceives 7": the protocol ends with its 6.
void show_snmp6(std::string_view text, NameSet* names, Families* out) {
  for (const std::string_view line : lines_of(text)) {
    const std::vector<std::string_view> fields = fields_of(line);
    if (fields.size() < 2) continue;
    const std::size_t six = fields[0].find('6');
    if (six == std::string_view::npos) continue;
    show_field(fields[0].substr(0, six + 1), fields[0].substr(six + 1), fields[1], names, out);
  }
}

Status show_netstat(const Node& node, NameSet* names, Families* out) {
  ASSIGN_OR_RETURN(const std::string netstat, node.file(node.proc("/net/netstat")));
  ASSIGN_OR_RETURN(const std::string snmp, node.file(node.proc("/net/snmp")));
  show_pairs(netstat, names, out);
  show_pairs(snmp, names, out);
  const StatusOr<std::string> snmp6 = node.file(node.proc("/net/snmp6"));
  if (snmp6.ok()) show_snmp6(*snmp6, names, out);  // without IPv6 there is none
  return ok();
}

// A line of titles, then a line of hexadecimal numbers for each CPU.
struct StatTable {
  std::vector<std::string> titles;
  std::vector<std::vector<double>> rows;
};

StatTable parse_stat_table(std::string_view text) {
  StatTable table;
  for (const std::string_view line : lines_of(text)) {
    const std::vector<std::string_view> fields = fields_of(line);
    if (table.titles.empty()) {
      table.titles.assign(fields.begin(), fields.end());
      continue;
    }
    std::vector<double>& row = table.rows.emplace_back();
    for (const std::string_view field : fields) {
      row.push_back(static_cast<double>(to_hex(field).value_or(0)));
    }
    row.resize(table.titles.size());
  }
  return table;
}

struct Column {
  std::string_view title;
  std::string_view name;
  std::string_view help;
};

constexpr Column kConntrack[] = {
    {"found", "node_nf_conntrack_stat_found", "Number of searched entries which were successful."},
    {"invalid", "node_nf_conntrack_stat_invalid",
     "Number of packets seen which can not be tracked."},
    {"ignore", "node_nf_conntrack_stat_ignore",
     "Number of packets seen which are already connected to a conntrack entry."},
    {"insert", "node_nf_conntrack_stat_insert", "Number of entries inserted into the list."},
    {"insert_failed", "node_nf_conntrack_stat_insert_failed",
     "Number of entries for which list insertion was attempted but failed."},
    {"drop", "node_nf_conntrack_stat_drop", "Number of packets dropped due to conntrack failure."},
    {"early_drop", "node_nf_conntrack_stat_early_drop",
     "Number of dropped conntrack entries to make room for new ones, if maximum table size was "
     "reached."},
    {"search_restart", "node_nf_conntrack_stat_search_restart",
     "Number of conntrack table lookups which had to be restarted due to hashtable resizes."},
};

// Families and help texts of /proc/net/xfrm_stat.
constexpr Column kXfrm[] = {
    {"XfrmInError", "in_error", "All errors not matched by other"},
    {"XfrmInBufferError", "in_buffer_error", "No buffer is left"},
    {"XfrmInHdrError", "in_hdr_error", "Header error"},
    {"XfrmInNoStates", "in_no_states",
     "No state is found i.e. Either inbound SPI, address, or IPsec protocol at SA is wrong"},
    {"XfrmInStateProtoError", "in_state_proto_error",
     "Transformation protocol specific error e.g. SA key is wrong"},
    {"XfrmInStateModeError", "in_state_mode_error", "Transformation mode specific error"},
    {"XfrmInStateSeqError", "in_state_seq_error",
     "Sequence error i.e. Sequence number is out of window"},
    {"XfrmInStateExpired", "in_state_expired", "State is expired"},
    {"XfrmInStateMismatch", "in_state_mismatch",
     "State has mismatch option e.g. UDP encapsulation type is mismatch"},
    {"XfrmInStateInvalid", "in_state_invalid", "State is invalid"},
    {"XfrmInTmplMismatch", "in_tmpl_mismatch",
     "No matching template for states e.g. Inbound SAs are correct but SP rule is wrong"},
    {"XfrmInNoPols", "in_no_pols",
     "No policy is found for states e.g. Inbound SAs are correct but no SP is found"},
    {"XfrmInPolBlock", "in_pol_block", "Policy discards"},
    {"XfrmInPolError", "in_pol_error", "Policy error"},
    {"XfrmOutError", "out_error", "All errors which is not matched others"},
    {"XfrmOutBundleGenError", "out_bundle_gen_error", "Bundle generation error"},
    {"XfrmOutBundleCheckError", "out_bundle_check_error", "Bundle check error"},
    {"XfrmOutNoStates", "out_no_states", "No state is found"},
    {"XfrmOutStateProtoError", "out_state_proto_error", "Transformation protocol specific error"},
    {"XfrmOutStateModeError", "out_state_mode_error", "Transformation mode specific error"},
    {"XfrmOutStateSeqError", "out_state_seq_error", "Sequence error i.e. Sequence number overflow"},
    {"XfrmOutStateExpired", "out_state_expired", "State is expired"},
    {"XfrmOutPolBlock", "out_pol_block", "Policy discards"},
    {"XfrmOutPolDead", "out_pol_dead", "Policy is dead"},
    {"XfrmOutPolError", "out_pol_error", "Policy error"},
    {"XfrmFwdHdrError", "fwd_hdr_error", "Forward routing of a packet is not allowed"},
    {"XfrmOutStateInvalid", "out_state_invalid", "State is invalid, perhaps expired"},
    {"XfrmAcquireError", "acquire_error", "State hasn’t been fully acquired before use"},
};

}  // namespace

StatusOr<Collect> make_netstat(const Node& node) {
  ASSIGN_OR_RETURN(Filter filter, Filter::make({.include = node.options.netstat_fields}));
  return Collect([node, names = NameSet(std::move(filter))](Families* out) mutable {
    return show_netstat(node, &names, out);
  });
}

Status collect_conntrack(const Node& node, Families* out) {
  const std::optional<double> entries =
      node.number(node.proc("/sys/net/netfilter/nf_conntrack_count"));
  if (!entries) return no_data("conntrack is not loaded");
  out->gauge("node_nf_conntrack_entries",
             "Number of currently allocated flow entries for connection tracking.", {}, *entries);
  const std::optional<double> limit = node.number(node.proc("/sys/net/netfilter/nf_conntrack_max"));
  if (!limit) return no_data("conntrack has no limit");
  out->gauge("node_nf_conntrack_entries_limit", "Maximum size of connection tracking table.", {},
             *limit);
  const StatusOr<std::string> text = node.file(node.proc("/net/stat/nf_conntrack"));
  if (!text.ok()) return no_data_if_missing(text.status());
  const StatTable table = parse_stat_table(*text);
  for (const Column& column : kConntrack) {
    double sum = 0;
    for (std::size_t i = 0; i < table.titles.size(); ++i) {
      if (table.titles[i] != column.title) continue;
      for (const std::vector<double>& row : table.rows) sum += row[i];
    }
    out->gauge(column.name, column.help, {}, sum);
  }
  return ok();
}

Status collect_lnstat(const Node& node, Families* out) {
  const std::string directory = node.proc("/net/stat");
  ASSIGN_OR_RETURN(const std::vector<std::string> subsystems, node.services.files.list(directory));
  for (const std::string& subsystem : subsystems) {
    const StatusOr<std::string> text = node.file(directory + "/" + subsystem);
    if (!text.ok()) continue;
    const StatTable table = parse_stat_table(*text);
    for (std::size_t cpu = 0; cpu < table.rows.size(); ++cpu) {
      const std::string number = fmt::format("{}", cpu);
      for (std::size_t i = 0; i < table.titles.size(); ++i) {
        out->counter(fmt::format("node_lnstat_{}_total", table.titles[i]),
                     "linux network cache stats", {{"cpu", number}, {"subsystem", subsystem}},
                     table.rows[cpu][i]);
      }
    }
  }
  return ok();
}

Status collect_xfrm(const Node& node, Families* out) {
  const StatusOr<std::string> text = node.file(node.proc("/net/xfrm_stat"));
  if (!text.ok()) return no_data_if_missing(text.status());
  for (const std::string_view line : lines_of(*text)) {
    const std::vector<std::string_view> fields = fields_of(line);
    if (fields.size() != 2) continue;
    for (const Column& column : kXfrm) {
      if (column.title != fields[0]) continue;
      out->counter(fmt::format("node_xfrm_{}_packets_total", column.name), column.help, {},
                   to_number(fields[1]).value_or(0));
    }
  }
  return ok();
}

}  // namespace tocsin::exporters
