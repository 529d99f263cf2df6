# A backend that dies while it compiles leaves nothing that is used.
#
# SPDX-License-Identifier: PostgreSQL
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TfmTest;

my $node = start_node('crash', conf => "restart_after_crash = on\n");
my $path = quote_path(big_checkpoint(96));
my $tfm = $node->data_dir . '/tfm';
my $use = qq{SELECT jsonb_typeof(tfm_forward($path, '{"input_ids": [[2, 5, 3]]}'))};

for my $round (1 .. 3)
{
	my $before = incarnation($node);
	my $session = background($node, "SELECT pg_backend_pid();\n$use;\n");

	ok(wait_for(sub { $session->{handle}->pump_nb; $session->{out} =~ /^\d+\n/ }), 'running');
	my ($pid) = $session->{out} =~ /^(\d+)/;
	ok(wait_for(sub { my @t = glob("$tfm/*.tmp"); @t > 0 }), "round $round: an image is being written");
	kill 'KILL', $pid;
	eval { $session->{handle}->finish };
	ok(is_restarted($node, $before), 'the server is up again');
	is(scalar images($node), 0, 'there is no image');
}
is($node->safe_psql('postgres', $use), 'object', 'the next session compiles it');
my @leftovers = glob("$tfm/*.tmp");
is(scalar @leftovers, 0, 'and removes what was left');

# An image that the disk has damaged is made again.
my ($image) = images($node);
for my $damage ([ 'cut off', sub { truncate $image, 4096 } ], [ 'empty', sub { truncate $image, 0 } ],
	[ 'of zeros', sub { my $size = -s $image; truncate $image, 0; truncate $image, $size } ])
{
	my ($name, $code) = @$damage;

	$code->();
	is($node->safe_psql('postgres', $use), 'object', "an image that is $name is made again");
}

$node->stop;
done_testing();
