// SPDX-License-Identifier: Apache-2.0
//
// Fabrics: fibrechannel (/sys/class/fc_host) and infiniband (/sys/class/infiniband/DEVICE/ports/N).
#include "exporters/node/hardware/hardware.h"

namespace tocsin::exporters {
namespace {

constexpr base::MetricType kCounter = base::MetricType::kCounter;
constexpr double kWord = 4;  // octets; the ports count in words of 32 bits

constexpr FileMetric kPort[] = {
    {"counters/link_downed", "node_infiniband_link_downed_total",
     "Number of times the link failed to recover from an error state and went down", kCounter},
    {"counters/link_error_recovery", "node_infiniband_link_error_recovery_total",
     "Number of times the link successfully recovered from an error state", kCounter},
    {"counters/multicast_rcv_packets", "node_infiniband_multicast_packets_received_total",
     "Number of multicast packets received (including errors)", kCounter},
    {"counters/multicast_xmit_packets", "node_infiniband_multicast_packets_transmitted_total",
     "Number of multicast packets transmitted (including errors)", kCounter},
    {"counters/port_rcv_constraint_errors", "node_infiniband_port_constraint_errors_received_total",
     "Number of packets received on the switch physical port that are discarded", kCounter},
    {"counters/port_xmit_constraint_errors",
     "node_infiniband_port_constraint_errors_transmitted_total",
     "Number of packets not transmitted from the switch physical port", kCounter},
    {"counters/port_rcv_data", "node_infiniband_port_data_received_bytes_total",
     "Number of data octets received on all links", kCounter, kWord},
    {"counters/port_xmit_data", "node_infiniband_port_data_transmitted_bytes_total",
     "Number of data octets transmitted on all links", kCounter, kWord},
    {"counters/port_rcv_discards", "node_infiniband_port_discards_received_total",
     "Number of inbound packets discarded by the port because the port is down or congested",
     kCounter},
    {"counters/port_xmit_discards", "node_infiniband_port_discards_transmitted_total",
     "Number of outbound packets discarded by the port because the port is down or congested",
     kCounter},
    {"counters/port_rcv_errors", "node_infiniband_port_errors_received_total",
     "Number of packets containing an error that were received on this port", kCounter},
    {"counters/port_rcv_packets", "node_infiniband_port_packets_received_total",
     "Number of packets received on all VLs by this port (including errors)", kCounter},
    {"counters/port_xmit_packets", "node_infiniband_port_packets_transmitted_total",
     "Number of packets transmitted on all VLs from this port (including errors)", kCounter},
    {"counters/port_xmit_wait", "node_infiniband_port_transmit_wait_total",
     "Number of ticks during which the port had data to transmit but no data was sent during "
     "the entire tick",
     kCounter},
    {"counters/unicast_rcv_packets", "node_infiniband_unicast_packets_received_total",
     "Number of unicast packets received (including errors)", kCounter},
    {"counters/unicast_xmit_packets", "node_infiniband_unicast_packets_transmitted_total",
     "Number of unicast packets transmitted (including errors)", kCounter},
    {"counters/excessive_buffer_overrun_errors",
     "node_infiniband_excessive_buffer_overrun_errors_total",
     "Number of times that OverrunErrors consecutive flow control update periods occurred, "
     "each having at least one overrun error.",
     kCounter},
    {"counters/local_link_integrity_errors", "node_infiniband_local_link_integrity_errors_total",
     "Number of times that the count of local physical errors exceeded the threshold specified "
     "by LocalPhyErrors.",
     kCounter},
    {"counters/port_rcv_remote_physical_errors",
     "node_infiniband_port_receive_remote_physical_errors_total",
     "Number of packets marked with the EBP (End of Bad Packet) delimiter received on the "
     "port.",
     kCounter},
    {"counters/port_rcv_switch_relay_errors",
     "node_infiniband_port_receive_switch_relay_errors_total",
     "Number of packets that could not be forwarded by the switch.", kCounter},
    {"counters/symbol_error", "node_infiniband_symbol_error_total",
     "Number of minor link errors detected on one or more physical lanes.", kCounter},
    {"counters/VL15_dropped", "node_infiniband_vl15_dropped_total",
     "Number of incoming VL15 packets dropped due to resource limitations.", kCounter},
    {"counters_ext/port_multicast_rcv_packets",
     "node_infiniband_legacy_multicast_packets_received_total",
     "Number of multicast packets received", kCounter},
    {"counters_ext/port_multicast_xmit_packets",
     "node_infiniband_legacy_multicast_packets_transmitted_total",
     "Number of multicast packets transmitted", kCounter},
    {"counters_ext/port_rcv_data_64", "node_infiniband_legacy_data_received_bytes_total",
     "Number of data octets received on all links", kCounter, kWord},
    {"counters_ext/port_xmit_data_64", "node_infiniband_legacy_data_transmitted_bytes_total",
     "Number of data octets transmitted on all links", kCounter, kWord},
    {"counters_ext/port_rcv_packets_64", "node_infiniband_legacy_packets_received_total",
     "Number of data packets received on all links", kCounter},
    {"counters_ext/port_xmit_packets_64", "node_infiniband_legacy_packets_transmitted_total",
     "Number of data packets received on all links", kCounter},
    {"counters_ext/port_unicast_rcv_packets",
     "node_infiniband_legacy_unicast_packets_received_total", "Number of unicast packets received",
     kCounter},
    {"counters_ext/port_unicast_xmit_packets",
     "node_infiniband_legacy_unicast_packets_transmitted_total",
     "Number of unicast packets transmitted", kCounter},
    {"hw_counters/duplicate_request", "node_infiniband_duplicate_requests_packets_total",
     "The number of received packets. A duplicate request is a request that had been previously "
     "executed.",
     kCounter},
    {"hw_counters/implied_nak_seq_err", "node_infiniband_implied_nak_seq_errors_total",
     "The number of time the requested decided an ACK. with a PSN larger than the expected PSN for "
     "an RDMA read or response.",
     kCounter},
    {"hw_counters/local_ack_timeout_err", "node_infiniband_local_ack_timeout_errors_total",
     "The number of times QP's ack timer expired for RC, XRC, DCT QPs at the sender side. The QP "
     "retry limit was not exceed, therefore it is still recoverable error.",
     kCounter},
    {"hw_counters/np_cnp_sent", "node_infiniband_np_cnp_packets_sent_total",
     "The number of CNP packets sent by the Notification Point when it noticed congestion "
     "experienced in the RoCEv2 IP header (ECN bits). The counters was added in MLNX_OFED 4.1",
     kCounter},
    {"hw_counters/np_ecn_marked_roce_packets",
     "node_infiniband_np_ecn_marked_roce_packets_received_total",
     "The number of RoCEv2 packets received by the notification point which were marked for "
     "experiencing the congestion (ECN bits where '11' on the ingress RoCE traffic) . The counters "
     "was added in MLNX_OFED 4.1",
     kCounter},
    {"hw_counters/out_of_buffer", "node_infiniband_out_of_buffer_drops_total",
     "The number of drops occurred due to lack of WQE for the associated QPs.", kCounter},
    {"hw_counters/out_of_sequence", "node_infiniband_out_of_sequence_packets_received_total",
     "The number of out of sequence packets received.", kCounter},
    {"hw_counters/packet_seq_err", "node_infiniband_packet_sequence_errors_total",
     "The number of received NAK sequence error packets. The QP retry limit was not exceeded.",
     kCounter},
    {"hw_counters/req_cqe_error", "node_infiniband_req_cqes_errors_total",
     "The number of times requester detected CQEs completed with errors. The counters was added in "
     "MLNX_OFED 4.1",
     kCounter},
    {"hw_counters/req_cqe_flush_error", "node_infiniband_req_cqes_flush_errors_total",
     "The number of times requester detected CQEs completed with flushed errors. The counters was "
     "added in MLNX_OFED 4.1",
     kCounter},
    {"hw_counters/req_remote_access_errors", "node_infiniband_req_remote_access_errors_total",
     "The number of times requester detected remote access errors. The counters was added in "
     "MLNX_OFED 4.1",
     kCounter},
    {"hw_counters/req_remote_invalid_request",
     "node_infiniband_req_remote_invalid_request_errors_total",
     "The number of times requester detected remote invalid request errors. The counters was added "
     "in MLNX_OFED 4.1",
     kCounter},
    {"hw_counters/resp_cqe_error", "node_infiniband_resp_cqes_errors_total",
     "The number of times responder detected CQEs completed with errors. The counters was added in "
     "MLNX_OFED 4.1",
     kCounter},
    {"hw_counters/resp_cqe_flush_error", "node_infiniband_resp_cqes_flush_errors_total",
     "The number of times responder detected CQEs completed with flushed errors. The counters was "
     "added in MLNX_OFED 4.1",
     kCounter},
    {"hw_counters/resp_local_length_error", "node_infiniband_resp_local_length_errors_total",
     "The number of times responder detected local length errors. The counters was added in "
     "MLNX_OFED 4.1",
     kCounter},
    {"hw_counters/resp_remote_access_errors", "node_infiniband_resp_remote_access_errors_total",
     "The number of times responder detected remote access errors. The counters was added in "
     "MLNX_OFED 4.1",
     kCounter},
    {"hw_counters/rnr_nak_retry_err", "node_infiniband_rnr_nak_retry_packets_received_total",
     "The number of received RNR NAK packets. The QP retry limit was not exceeded.", kCounter},
    {"hw_counters/roce_adp_retrans", "node_infiniband_roce_adp_retransmits_total",
     "The number of adaptive retransmissions for RoCE traffic. The counter was added in MLNX_OFED "
     "rev 5.0-1.0.0.0 and kernel v5.6.0",
     kCounter},
    {"hw_counters/roce_adp_retrans_to", "node_infiniband_roce_adp_retransmits_timeout_total",
     "The number of times RoCE traffic reached timeout due to adaptive retransmission. The counter "
     "was added in MLNX_OFED rev 5.0-1.0.0.0 and kernel v5.6.0",
     kCounter},
    {"hw_counters/roce_slow_restart", "node_infiniband_roce_slow_restart_used_total",
     "The number of times RoCE slow restart was used. The counter was added in MLNX_OFED rev "
     "5.0-1.0.0.0 and kernel v5.6.0",
     kCounter},
    {"hw_counters/roce_slow_restart_cnps", "node_infiniband_roce_slow_restart_cnps_total",
     "The number of times RoCE slow restart generated CNP packets. The counter was added in "
     "MLNX_OFED rev 5.0-1.0.0.0 and kernel v5.6.0",
     kCounter},
    {"hw_counters/roce_slow_restart_trans", "node_infiniband_roce_slow_restart_total",
     "The number of times RoCE slow restart changed state to slow restart. The counter was added "
     "in MLNX_OFED rev 5.0-1.0.0.0 and kernel v5.6.0",
     kCounter},
    {"hw_counters/rp_cnp_handled", "node_infiniband_rp_cnp_packets_handled_total",
     "The number of CNP packets handled by the Reaction Point HCA to throttle the transmission "
     "rate. The counters was added in MLNX_OFED 4.1",
     kCounter},
    {"hw_counters/rp_cnp_ignored", "node_infiniband_rp_cnp_ignored_packets_received_total",
     "The number of CNP packets received and ignored by the Reaction Point HCA. This counter "
     "should not raise if RoCE Congestion Control was enabled in the network. If this counter "
     "raise, verify that ECN was enabled on the adapter.",
     kCounter},
    {"hw_counters/rx_atomic_requests", "node_infiniband_rx_atomic_requests_total",
     "The number of received ATOMIC request for the associated QPs.", kCounter},
    {"hw_counters/rx_dct_connect", "node_infiniband_rx_dct_connect_requests_total",
     "The number of received connection requests for the associated DCTs.", kCounter},
    {"hw_counters/rx_read_requests", "node_infiniband_rx_read_requests_total",
     "The number of received READ requests for the associated QPs.", kCounter},
    {"hw_counters/rx_write_requests", "node_infiniband_rx_write_requests_total",
     "The number of received WRITE requests for the associated QPs.", kCounter},
    {"hw_counters/rx_icrc_encapsulated", "node_infiniband_rx_icrc_encapsulated_errors_total",
     "The number of RoCE packets with ICRC errors. This counter was added in MLNX_OFED 4.4 and "
     "kernel 4.19",
     kCounter},
    {"hw_counters/lifespan", "node_infiniband_lifespan_seconds",
     "The maximum period in ms which defines the aging of the counter reads. Two consecutive reads "
     "within this period might return the same values.",
     base::MetricType::kGauge, 1e-3},
};

constexpr FileMetric kHost[] = {
    {"dumped_frames", "node_fibrechannel_dumped_frames_total", "Number of dumped frames", kCounter},
    {"error_frames", "node_fibrechannel_error_frames_total", "Number of errors in frames",
     kCounter},
    {"fcp_packet_aborts", "node_fibrechannel_fcp_packet_aborts_total", "Number of aborted packets",
     kCounter},
    {"invalid_crc_count", "node_fibrechannel_invalid_crc_total",
     "Invalid Cyclic Redundancy Check count", kCounter},
    {"invalid_tx_word_count", "node_fibrechannel_invalid_tx_words_total",
     "Number of invalid words transmitted by host port", kCounter},
    {"link_failure_count", "node_fibrechannel_link_failure_total",
     "Number of times the host port link has failed", kCounter},
    {"loss_of_signal_count", "node_fibrechannel_loss_of_signal_total",
     "Number of times signal has been lost", kCounter},
    {"loss_of_sync_count", "node_fibrechannel_loss_of_sync_total",
     "Number of failures on either bit or transmission word boundaries", kCounter},
    {"nos_count", "node_fibrechannel_nos_total",
     "Number Not_Operational Primitive Sequence received by host port", kCounter},
    {"rx_frames", "node_fibrechannel_rx_frames_total", "Number of frames received", kCounter},
    {"rx_words", "node_fibrechannel_rx_words_total", "Number of words received by host port",
     kCounter},
    {"seconds_since_last_reset", "node_fibrechannel_seconds_since_last_reset_total",
     "Number of seconds since last host port reset", kCounter},
    {"tx_frames", "node_fibrechannel_tx_frames_total", "Number of frames transmitted by host port",
     kCounter},
    {"tx_words", "node_fibrechannel_tx_words_total", "Number of words transmitted by host port",
     kCounter},
};

// The number before the colon of "4: ACTIVE".
std::optional<double> state_number(const std::optional<std::string>& text) {
  if (!text) return std::nullopt;
  return to_number(trimmed(std::string_view(*text).substr(0, text->find(':'))));
}

void show_port(const Node& node, const std::string& path, const LabelPairs& labels, Families* out) {
  if (const auto state = state_number(node.try_text(path + "/state"))) {
    out->add({"node_infiniband_state_id",
              "State of the InfiniBand port (0: no change, 1: down, 2: init, 3: armed, 4: active, "
              "5: act defer)"},
             labels, *state);
  }
  if (const auto state = state_number(node.try_text(path + "/phys_state"))) {
    out->add({"node_infiniband_physical_state_id",
              "Physical state of the InfiniBand port (0: no change, 1: sleep, 2: polling, 3: "
              "disable, 4: shift, 5: link up, 6: link error recover, 7: phytest)"},
             labels, *state);
  }
  const std::string rate = node.try_text(path + "/rate").value_or("");
  const std::vector<std::string_view> fields = fields_of(rate);
  const auto gigabits = fields.size() >= 2 ? to_number(fields[0]) : std::optional<double>();
  if (gigabits) {
    out->add({"node_infiniband_rate_bytes_per_second", "Maximum signal transfer rate"}, labels,
             *gigabits * 1e9 / 8);
  }
  node.show_files(path, kPort, labels, out);
}

}  // namespace

Status collect_infiniband(const Node& node, Families* out) {
  const std::string directory = node.sys("/class/infiniband");
  const StatusOr<std::vector<std::string>> devices = node.services.files.list(directory);
  if (!devices.ok()) return no_data_if_missing(devices.status());
  for (const std::string& device : *devices) {
    const std::string path = directory + "/" + device;
    const auto text = [&](std::string_view name) {
      return node.try_text(fmt::format("{}/{}", path, name)).value_or("");
    };
    out->gauge("node_infiniband_info",
               "Non-numeric data from /sys/class/infiniband/<device>, value is always 1.",
               {{"board_id", text("board_id")},
                {"device", device},
                {"firmware_version", text("fw_ver")},
                {"hca_type", text("hca_type")}},
               1);
    for (const std::string& port : node.list(path + "/ports")) {
      show_port(node, path + "/ports/" + port, {{"device", device}, {"port", port}}, out);
    }
  }
  return ok();
}

Status collect_fibrechannel(const Node& node, Families* out) {
  const std::string directory = node.sys("/class/fc_host");
  const StatusOr<std::vector<std::string>> hosts = node.services.files.list(directory);
  if (!hosts.ok()) return no_data_if_missing(hosts.status());
  for (const std::string& host : *hosts) {
    const std::string path = directory + "/" + host;
    // Names and ids are hexadecimal, shown without 0x.
    const auto text = [&](std::string_view name) {
      const std::string whole = node.try_text(fmt::format("{}/{}", path, name)).value_or("");
      return whole.starts_with("0x") ? whole.substr(2) : whole;
    };
    out->gauge("node_fibrechannel_info",
               "Non-numeric data from /sys/class/fc_host/<host>, value is always 1.",
               {{"dev_loss_tmo", text("dev_loss_tmo")},
                {"fabric_name", text("fabric_name")},
                {"fc_host", host},
                {"port_id", text("port_id")},
                {"port_name", text("port_name")},
                {"port_state", text("port_state")},
                {"port_type", text("port_type")},
                {"speed", text("speed")},
                {"supported_classes", text("supported_classes")},
                {"supported_speeds", text("supported_speeds")},
                {"symbolic_name", text("symbolic_name")}},
               1);
    for (const FileMetric& metric : kHost) {
      const auto value = node.number(fmt::format("{}/statistics/{}", path, metric.file));
      // All bits set: the host does not count this.
      constexpr double kNotCounted = 18446744073709551615.0;
      if (!value || *value == kNotCounted) continue;
      out->counter(metric.name, metric.help, {{"fc_host", host}}, *value);
    }
  }
  return ok();
}

}  // namespace tocsin::exporters
