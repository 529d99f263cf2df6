# A disk that is full while an image is written.
#
# SPDX-License-Identifier: PostgreSQL
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TfmTest;

# No file may be larger than this: to the writer that is a full disk.
use constant LIMIT => 16 * 1024 * 1024;

my $node = start_node('disk_full', extra => ['--wal-segsize=1']);
my $big = quote_path(big_checkpoint(32));
my $small = quote_path(golden('sentence/mean'));
my ($postmaster) = slurp_file($node->data_dir . '/postmaster.pid') =~ /^(\d+)/;

plan skip_all => 'prlimit is missing'
  if system("prlimit --pid $postmaster --fsize=" . LIMIT . ':unlimited >/dev/null 2>&1') != 0;

my ($sqlstate, $message) = sql_error($node, "SELECT tfm_load_model('big', $big)");
is($sqlstate, '53100', 'disk full');
like($message, qr/tfm\//, 'the error names the file');
is($node->safe_psql('postgres', 'SELECT count(*) FROM tfm_models'), '0', 'no model');
my @files = grep { -f } glob($node->data_dir . '/tfm/*');
is(scalar @files, 0, 'no image and nothing half');
is($node->safe_psql('postgres', "SELECT tfm_load_model('small', $small)"), 'small',
	'a smaller one fits');

system_or_bail('prlimit', '--pid', $postmaster, '--fsize=unlimited:unlimited');
is($node->safe_psql('postgres', "SELECT tfm_load_model('big', $big)"), 'big', 'with room, all is well');

$node->stop;
done_testing();
