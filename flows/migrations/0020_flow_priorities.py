import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('flows', '0019_known_customers'),
    ]

    operations = [
        migrations.CreateModel(
            name='FlowPriority',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('priority', models.CharField(choices=[('high', 'High: goes on to the end'), ('normal', 'Normal: waits when under 10 % are left'), ('low', 'Low: waits when under 30 % are left')], default='normal', max_length=6)),
                ('flow', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='priorities', to='flows.flow')),
                ('pair', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='priorities', to='flows.pair')),
            ],
            options={
                'verbose_name_plural': 'flow priorities',
                'constraints': [models.UniqueConstraint(fields=('flow', 'pair'), name='one_priority_per_flow_and_pair')],
            },
        ),
    ]
