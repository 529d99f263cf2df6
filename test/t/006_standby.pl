# A standby uses the models of its primary and compiles its own images.
#
# SPDX-License-Identifier: PostgreSQL
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TfmTest;

my $primary = start_node('primary', allows_streaming => 1);
my $path = quote_path(golden('sentence/mean'));
my $use = q{SELECT tfm_tokenize('m', 'The cat sat on the mat.')};

$primary->backup('before');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'before', has_streaming => 1);
$standby->start;

$primary->safe_psql('postgres', "SELECT tfm_load_model('m', $path)");
$primary->wait_for_catchup($standby, 'replay', $primary->lsn('write'));
is($standby->safe_psql('postgres', 'SELECT pg_is_in_recovery()'), 't', 'a standby');
is($standby->safe_psql('postgres', 'SELECT state FROM tfm_models'), 'not compiled', 'sees the model');
is($standby->safe_psql('postgres', $use), $primary->safe_psql('postgres', $use), 'uses it');
is(scalar images($standby), 1, 'has compiled it');
is($standby->safe_psql('postgres', 'SELECT state FROM tfm_models'), 'ready', 'and tells so');
my ($sqlstate) = sql_error($standby, "SELECT tfm_load_model('n', $path)");
is($sqlstate, '25006', 'a model cannot be registered there');

$primary->safe_psql('postgres', q{SELECT tfm_drop_model('m')});
$primary->wait_for_catchup($standby, 'replay', $primary->lsn('write'));
($sqlstate) = sql_error($standby, $use);
is($sqlstate, '42704', 'a dropped model is gone there too');

$_->stop for $standby, $primary;
done_testing();
