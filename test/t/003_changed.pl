# A checkpoint that changes underneath is noticed, and used when accepted.
#
# SPDX-License-Identifier: PostgreSQL
use strict;
use warnings;

use File::Path qw(remove_tree);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TfmTest;

my $node = start_node('changed');
my $directory = copy_checkpoint('sentence/mean');
my $path = quote_path($directory);
my $inputs = q{'{"input_ids": [[2, 0, 3]]}'};
my $use = "SELECT tfm_forward('m', $inputs)";
my $state = q{SELECT state, error IS NOT NULL FROM tfm_models WHERE name = 'm'};

$node->safe_psql('postgres', "SELECT tfm_load_model('m', $path)");
my $session = $node->background_psql('postgres', on_error_stop => 0);
my $before = $node->safe_psql('postgres', $use);
is($session->query($use), $before, 'an open session uses the model');

utime undef, undef, "$directory/model.safetensors";
is($session->query($use), $before, 'files with other times and the same bytes are the same');
is($node->safe_psql('postgres', 'SELECT tfm_refresh_model($$m$$)'), 'f', 'nothing to accept');

change_weights($directory);
my ($sqlstate, $message) = sql_error($node, $use);
is($sqlstate, '55000', 'other bytes are an error in a new session');
like($message, qr/the checkpoint of model "m" has changed.*tfm_refresh_model\('m'\)/s,
	'the error says what to do');
is($session->query($use), '', 'and in an open one');
is($node->safe_psql('postgres', $state), 'changed|t', 'the view tells it');

is($node->safe_psql('postgres', 'SELECT tfm_refresh_model($$m$$)'), 't', 'the change is accepted');
my $after = $node->safe_psql('postgres', $use);
isnt($after, $before, 'the new weights are used');
is($session->query($use), $after, 'by the open session too');
is($node->safe_psql('postgres', $state), 'ready|f', 'the view tells it');

# A model whose name comes to mean another checkpoint, in a session that has it open.
my $other = quote_path(golden('sentence/cls'));
$node->safe_psql('postgres', "SELECT tfm_load_model('m', $other, replace => true)");
isnt($session->query($use), $after, 'a replaced model is noticed by an open session');
$node->safe_psql('postgres', "SELECT tfm_load_model('m', $path, replace => true)");
is($session->query($use), $after, 'and back');

# A precision that changes likewise, in a session that has the model open.
my $precision = q{SELECT dtype, compute FROM tfm_models WHERE name = 'm'};
$node->safe_psql('postgres', q{ALTER SERVER m OPTIONS (ADD dtype 'int8')});
isnt($session->query($use), $after, 'another dtype is noticed by an open session');
is($node->safe_psql('postgres', $precision), 'int8|int8', 'the view tells it');
$node->safe_psql('postgres', q{ALTER SERVER m OPTIONS (ADD compute 'f32')});
is($session->query($precision), 'int8|f32', 'another compute is noticed, too');
$node->safe_psql('postgres', q{ALTER SERVER m OPTIONS (DROP dtype, DROP compute)});
is($session->query($use), $after, 'and back');

# The image stands for a checkpoint that is gone.
remove_tree($directory);
is($node->safe_psql('postgres', $use), $after, 'the model works without its checkpoint');
is($node->safe_psql('postgres', q{SELECT tfm_prune_images('-1 day') > 0}), 't', 'other images go');
is($node->safe_psql('postgres', $use), $after, 'the one that is pinned stays');
unlink images($node);
($sqlstate, $message) = sql_error($node, $use);
is($sqlstate, '58P01', 'without image and checkpoint it does not');
$node->safe_psql('postgres', 'SELECT tfm_drop_model($$m$$)');
is($session->query($use), '', 'a dropped model is noticed by an open session');

$session->quit;
$node->stop;
done_testing();
